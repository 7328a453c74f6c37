"""Tapes, discs and broadcasts in a batch: what is told, what is kept, what goes on after a stop."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import pytest
from clips import look, unfinished
from interlaced_clips import NTSC, Woven, interlaced, progressive, scene, telecined

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

AT = scene()
SAME_SIZE = Target(scale=1)
LOSSLESS = {"codec": "ffv1", "segment_frames": 8}


def events_of(source, output=None, stop=None, *, scale=SAME_SIZE, dry_run=False, **video):
    stop = Stop() if stop is None else stop
    options = UpscaleOptions(
        (str(source),),
        output=output and str(source.with_name(output)),
        target=scale,
        dry_run=dry_run,
        video=VideoOptions(**(LOSSLESS | video)),
    )
    return upscale(options, stop)


def done(source, output=None, **options):
    *events, summary = events_of(source, output, **options)
    (item,) = [event for event in events if isinstance(event, Item)]
    assert summary.exit_code == 0, item.reason
    return item, [event.text for event in events if isinstance(event, Remark)]


@pytest.fixture(scope="module")
def tape(tmp_path_factory):
    path = tmp_path_factory.mktemp("tape") / "tape.mkv"
    return Woven(options={"crf": "10", "x264-params": "tff=1"}).write(path, interlaced(AT, 44))


def test_what_is_done_is_told_before_the_work_and_in_the_report(tape):
    item, remarks = done(tape, "told.mkv")
    (told,) = [text for text in remarks if "deinterlaced by bwdif" in text]
    assert "44 of 44 frames measured combed, top field first" in told
    assert told in item.notes
    assert item.frames == 44


def test_a_dry_run_tells_it_as_well(tape):
    (item,) = [
        e for e in events_of(tape, dry_run=True, deinterlace_rate="field") if isinstance(e, Item)
    ]
    assert any("to 50 frames/s" in note for note in item.notes)
    assert any("about 88 frames" in note for note in item.notes)
    assert item.frames == 88


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "video", "frames"),
    [
        (interlaced, {}, 44),
        (interlaced, {"deinterlace_rate": "field"}, 88),
        (telecined, {}, 36),
    ],
)
def test_a_stopped_video_goes_on_to_the_same_packets(tmp_path, content, video, frames):
    clip = Woven(rate=NTSC, options={"crf": "10", "x264-params": "tff=1"})
    path = clip.write(tmp_path / "clip.mkv", content(AT, 44))
    done(path, "whole.mkv", **video)
    stop = Stop()
    for event in events_of(path, "halves.mkv", stop, **video):
        if isinstance(event, Progress):
            stop.limit(0)  # at the end of a segment
    lines = _journal(path, "halves.mkv")
    assert 2 <= len(lines) < frames // 8 + 1
    assert json.loads(lines[0])["fingerprint"]["fields"][2] == video.get(
        "deinterlace_rate", "frame"
    )
    item, _ = done(path, "halves.mkv", **video)
    assert item.frames == frames
    whole, halves = look(path.with_name("whole.mkv")), look(path.with_name("halves.mkv"))
    assert halves == whole
    assert len(whole.pts_s) == frames


def _journal(path, name):
    lines = (unfinished(path.with_name(name)) / "journal.jsonl").read_bytes().split(b"\n")
    return [line for line in lines if line]


def test_another_wish_about_the_fields_is_another_result(tape):
    done(tape, "wish.mkv")
    item, _ = done(tape, "wish.mkv", deinterlace="off")
    assert item.status == "done"
    again, _ = done(tape, "wish.mkv", deinterlace="off")
    assert again.status == "skipped"


DV = {
    "ntsc.avi": ((720, 480), "yuv411p", NTSC, Fraction(8, 9)),
    "wide.mov": ((720, 480), "yuv411p", NTSC, Fraction(32, 27)),
    "pal.dv": ((720, 576), "yuv420p", Fraction(25), Fraction(16, 15)),
    "wide.dv": ((720, 576), "yuv420p", Fraction(25), Fraction(64, 45)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", DV)
def test_tapes_of_dv_become_progressive_with_their_pixels_as_wide_as_before(tmp_path, name):
    (width, height), pix_fmt, rate, sar = DV[name]
    at = scene(width, height)
    clip = Woven("dvvideo", pix_fmt, rate, options={}, sar=sar)
    path = clip.write(tmp_path / name, interlaced(at, 12, top_first=False))
    with av.open(str(path)) as container:
        own = container.streams.video[0].sample_aspect_ratio
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    item, remarks = done(path, "result.mkv", codec="h264")
    assert any("bottom field first): deinterlaced" in text for text in remarks)
    seen = look(item.output)
    assert seen.size == (width, height)
    assert seen.sar == own == sar
    assert [round(float(t), 3) for t in seen.pts_s] == [round(float(t), 3) for t in times]
    assert seen.pix_fmt == ("yuv422p" if pix_fmt == "yuv411p" else "yuv420p")


def test_the_fields_of_a_raw_tape_become_frames_half_way_between(tmp_path):
    clip = Woven("dvvideo", "yuv420p", Fraction(25), options={}, sar=Fraction(16, 15))
    path = clip.write(tmp_path / "pal.dv", interlaced(scene(720, 576), 12, top_first=False))
    item, remarks = done(path, "result.mkv", codec="h264", deinterlace_rate="field")
    assert any("to 50 frames/s" in text for text in remarks)
    assert [round(float(t), 3) for t in look(item.output).pts_s] == [n / 50 for n in range(24)]


@pytest.mark.slow
def test_a_dvd_goes_through_the_network_at_twice_the_size(tmp_path):
    clip = Woven("mpeg2video", rate=NTSC, options={"b": "6M"}, sar=Fraction(8, 9))
    path = clip.write(tmp_path / "title.vob", telecined(AT, 20), "vob")
    item, remarks = done(path, "title.mkv", scale=Target(2))
    assert any(text.startswith("telecined film") for text in remarks)
    seen = look(item.output)
    assert seen.size == (256, 192)
    assert item.frames == len(seen.pts_s) == 16


def test_progressive_videos_give_what_they_gave_before_and_say_nothing(tmp_path):
    path = Woven(called_interlaced=False).write(tmp_path / "clip.mkv", progressive(AT, 12))
    item, remarks = done(path, "plain.mkv")
    assert not remarks
    assert not item.notes
    assert look(item.output).pts_s == look(path).pts_s


def test_transparent_prores_of_12_bits_is_deinterlaced_and_keeps_its_depth(tmp_path):
    """FFmpeg gives the samples of ProRes 4444 with 12 bits, which bwdif does not take."""
    clip = Woven(codec="prores_ks", pix_fmt="yuva444p10le", options={})
    item, _ = done(clip.write(tmp_path / "title.mov", interlaced(AT, 8)), "title.mkv")
    with av.open(str(item.output)) as container:
        frames = list(container.decode(video=0))
    assert len(frames) == 8
    assert {frame.format.name for frame in frames} == {"yuva444p12le"}
    assert any("deinterlaced by bwdif" in note for note in item.notes)
