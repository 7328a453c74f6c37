"""Videos from one container to another: their streams, titles, tags and times."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import ROTATE_90, Clip, look, remuxed
from video_runs import check_kept, failure_of, result_of, run

from esc_cli.tasks.upscale.options import VideoOptions


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A clip with everything that Matroska can hold."""
    clip = Clip(
        frames=12,
        audio=("eng", "ger"),
        subtitle="subrip",
        chapters=True,
        attachment=True,
        cover=True,
        sar=Fraction(4, 3),
        rotation=ROTATE_90,
        matrix=1,
        primaries=1,
        transfer=1,
        full_range=1,
        seeds=[0, 1, 2, 2, 2, 5, 6, 7, 8, 9, 9, 11],
    )
    return clip.write(tmp_path_factory.mktemp("full") / "clip.mkv")


def test_a_video_keeps_everything_but_its_size(full):
    (item,), _ = run(full)
    assert item.output == full.with_name("clip_x2.mkv")
    before, _ = check_kept(full, item.output)
    assert len(before.payloads) == 5
    assert len(before.chapters) == 2
    assert before.attachments
    repeats = sum(a == b for a, b in zip(before.hashes, before.hashes[1:], strict=False))
    assert (item.frames, item.repeated_frames) == (12, repeats)
    assert repeats == 3
    assert (item.input_size, item.output_size) == ((32, 24), (64, 48))
    assert not [path for path in full.parent.iterdir() if "segments" in path.name]
    (again,), _ = run(full)
    assert again.status == "skipped"


def test_what_the_container_of_the_input_cannot_hold_goes_to_mkv(tmp_path):
    clip = Clip(codec="libsvtav1", options={}, size=(64, 64), audio=("eng",), audio_codec="libopus")
    source = clip.write(tmp_path / "clip.webm")
    result = result_of(source)
    assert result.name == "clip_x2.mkv"
    check_kept(source, result)
    result = result_of(source, video=VideoOptions(codec="av1"))
    assert result.name == "clip_x2.webm"
    check_kept(source, result)


def test_a_stream_that_is_to_be_kept_and_cannot_be_is_named_before_work(full, tmp_path):
    keep = VideoOptions(streams="keep")
    reason = failure_of(full, output=str(tmp_path / "out.mp4"), video=keep)
    assert "mp4 cannot hold stream 3 (subtitle, srt, fre)" in reason
    assert "mkv can" in reason
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shift_s", [0.35, -1.5])
def test_an_edit_list_that_cuts_or_delays_the_beginning(tmp_path, shift_s):
    """The clip's one key frame lies before the cut: it is decoded, and not shown."""
    clip = Clip(frames=20, options={"bf": "2", "b_strategy": "0"}, audio=("eng",))
    plain = clip.write(tmp_path / "plain.mp4")
    source = remuxed(plain, tmp_path / "clip.mp4", shift_s)
    before, after = check_kept(source, result_of(source))
    assert len(before.pts_s) == (16 if shift_s > 0 else 20)
    assert before.pts_s[0] == (0 if shift_s > 0 else Fraction(3, 2))
    assert len(after.hashes) == len(before.hashes)


def test_where_a_container_has_no_times_below_zero_all_streams_move_alike(tmp_path):
    """In MP4 the sound begins before 0, with what its decoder needs to start."""
    source = Clip(frames=10, audio=("eng",)).write(tmp_path / "clip.mp4")
    (item,), _ = run(source, format="mkv")
    assert item.status == "done", item.reason
    assert item.notes == ("matroska has no times below 0: all is 0.021 s later",)
    before, after = look(source), look(item.output)
    delay = Fraction(21, 1000)
    assert after.pts_s == [time + delay for time in before.pts_s]
    assert after.payloads == before.payloads
    with av.open(str(source)) as one, av.open(str(item.output)) as other:
        times = [
            [float(p.pts * p.time_base) for p in container.demux(audio=0) if p.size]
            for container in (one, other)
        ]
    assert times[0][0] < 0
    assert np.allclose(np.array(times[1]) - float(delay), times[0], atol=0.0006)


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("clip.ts", Clip(pts=[9000 * n for n in range(10)], time_base=Fraction(1, 90000))),
        ("clip.flv", Clip(audio=("eng",))),
        ("clip.mpg", Clip(codec="mpeg2video", options={}, time_base=Fraction(1, 25))),
        ("clip.avi", Clip(codec="mpeg4", options={})),
    ],
)
def test_containers_that_are_only_read_become_mkv(tmp_path, name, clip):
    source = clip.write(tmp_path / name)
    result = result_of(source)
    assert result.name == "clip_x2.mkv"
    before, after = look(source), look(result)
    # The clock of a broadcast goes on; nobody's recording begins at ten in the morning.
    zero = before.pts_s[0] if name in ("clip.ts", "clip.mpg") else 0
    off = [abs(one - zero - other) for one, other in zip(before.pts_s, after.pts_s, strict=True)]
    assert max(off) <= Fraction(1, 2000)


def test_from_one_container_to_another(tmp_path):
    """MP4's muxer sets flags that the source does not have, and that is no difference."""
    clip = Clip(audio=("eng", "ger"), chapters=True, cover=True)
    for name, other in (("a.mkv", "mp4"), ("b.mp4", "mkv"), ("c.mov", "mkv"), ("d.mkv", "mov")):
        source = replace(clip, cover="mov" not in (other, name[2:])).write(tmp_path / name)
        before, after = look(source), look(result_of(source, format=other))
        languages = [[s[2] or "und" for s in seen.streams] for seen in (before, after)]
        assert languages[0] == languages[1]
        assert after.payloads == before.payloads
        assert after.chapters == before.chapters


def test_tags_of_a_telephone_are_kept(tmp_path):
    tags = {"com.apple.quicktime.make": "A telephone", "title": "A clip"}
    source = tmp_path / "clip.mov"
    with av.open(
        str(source), "w", container_options={"movflags": "use_metadata_tags"}
    ) as container:
        Clip(frames=3, metadata=tags)._fill(container)
    assert tags.items() <= look(source).metadata.items()
    assert tags.items() <= look(result_of(source)).metadata.items()


def titles(path):
    with av.open(str(path)) as container:
        return [s.metadata.get("title") or s.metadata.get("name") for s in container.streams]


@pytest.mark.slow
@pytest.mark.parametrize("source", ["clip.mp4", "clip.mov", "clip.mkv"])
@pytest.mark.parametrize("result", ["result.mp4", "result.mov", "result.mkv"])
@pytest.mark.parametrize("metadata", [{}, {"com.apple.quicktime.make": "A telephone"}])
def test_tracks_keep_their_titles_in_every_container(tmp_path, source, result, metadata):
    clip = Clip(frames=3, audio=("eng", "ger"), titles=True, metadata=metadata)
    path = clip.write(tmp_path / source)
    named = ["Pictures", "Sound in eng", "Sound in ger"]
    assert titles(path) == named
    assert titles(result_of(path, output=str(tmp_path / result))) == named


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv"])
@pytest.mark.parametrize("verify", [True, False])
def test_a_track_without_anything_in_the_part_is_named(tmp_path, name, verify):
    clip = Clip(frames=40, audio=("eng",), sound_s=0.9)
    path = clip.write(tmp_path / name)
    (item,), _ = run(path, video=VideoOptions(start=2.2, frames=5, verify=verify))
    assert item.status == "done", item.reason
    assert len(look(item.output).pts_s) == 5
    assert any("(audio, aac, eng) has nothing here" in note for note in item.notes)
    (whole,), _ = run(path, output=str(tmp_path / f"whole_{name}"))
    assert not any("has nothing" in note for note in whole.notes)
