"""Frames whose file tells their time badly, or not at all; recordings from the middle."""

from __future__ import annotations

import re
import shutil
import subprocess
from fractions import Fraction

import av
import pytest
from clips import Clip, look, remuxed
from numbered_clips import Counted, packets, shown

from esc_cli.media.video.probe import probe_video
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

TENTH = Fraction(1, 10)
REORDERED = {"bf": "2", "g": "12", "qmin": "1", "qmax": "1"}


def run(source, **options):
    """The item of a batch of one, in its own size: no network is needed."""
    options = {"target": Target(1.0)} | options
    events = upscale(UpscaleOptions((str(source),), **options), Stop())
    (item,) = (event for event in events if isinstance(event, Item))
    return item


def done(source, **options):
    item = run(source, **options)
    assert item.status == "done", item.reason
    return item


def check_steps(result, frames, step=TENTH):
    """All frames in order, one step from each to the next, to a millisecond."""
    seen = shown(result)
    assert [number for number, _ in seen] == list(range(frames))
    first = seen[0][1]
    assert all(abs(time - first - n * step) <= Fraction(1, 1000) for n, time in seen)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("xvid.avi", "mpeg4", REORDERED),
        ("h264.avi", "libx264", {"bf": "3", "b_strategy": "0"}),
        ("h264.h264", "libx264", {"bf": "3", "b_strategy": "0"}),
        ("hevc.hevc", "libx265", {"x265-params": "log-level=none:frame-threads=1:bframes=3"}),
        ("es.m2v", "mpeg2video", REORDERED),
        ("raw.drc", "vc2", {"strict": "-1", "b": "2M"}),
    ],
)
def test_reordered_frames_of_files_without_their_times_come_in_order(
    tmp_path, name, codec, options
):
    """AVI and raw streams tell when a packet is decoded, or nothing; the rest is a guess."""
    rate = 25 if codec == "mpeg2video" else 10
    form = "mpeg2video" if name == "es.m2v" else None
    base = Fraction(1, rate)
    clip = Counted(14, codec=codec, options=options, time_base=base, rate=rate, format=form)
    item = done(clip.write(tmp_path / name))
    assert item.frames == 14
    check_steps(item.output, 14, base)


def moved(path, changes, track=b"\x81"):
    """A Matroska file whose blocks have other times, in milliseconds."""
    content = path.read_bytes()
    places = {old: content.index(track + old.to_bytes(2, "big") + b"\x80") for old in changes}
    for old, new in changes.items():
        at = places[old]
        content = content[: at + 1] + new.to_bytes(2, "big") + content[at + 3 :]
    path.write_bytes(content)
    return path


def intra(path, frames=12):
    return Counted(frames, codec="ffv1", options={"g": "1"}).write(path)


def test_a_frame_out_of_order_is_put_between_its_neighbours_and_told(tmp_path):
    item = done(moved(intra(tmp_path / "clip.mkv"), {300: 100, 700: 600}))
    check_steps(item.output, 12)
    assert any("2 frames out of order" in note and "0.300 s" in note for note in item.notes)


def test_a_clock_that_is_set_back_for_longer_is_no_mere_disorder(tmp_path):
    source = moved(intra(tmp_path / "clip.mkv"), {500: 10, 600: 20, 700: 30, 800: 40})
    item = run(source)
    assert item.status == "failed"
    assert "timestamps do not increase at 0.400 s" in item.reason


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs FFmpeg's program")
def test_what_is_advised_for_a_clock_that_is_set_back_mends_it_with_all_its_sound(tmp_path):
    """Chapters of a DVD may begin at 0 each."""
    base = Fraction(1, 25)
    chapter = Counted(
        25, codec="mpeg2video", options={"g": "12"}, time_base=base, rate=25,
        audio=("eng", "fre"), audio_codec="ac3", format="vob",
    ).write(tmp_path / "chapter.vob")  # fmt: skip
    source = tmp_path / "film.vob"
    source.write_bytes(chapter.read_bytes() * 2)
    reason = run(source).reason
    assert "timestamps do not increase at" in reason
    command = re.search(r"e\.g\. (ffmpeg .*)\)", reason)[1]
    places = {"in": str(source), "out.mkv": str(tmp_path / "film.mkv")}
    words = [places.get(word, word) for word in command.split()]
    subprocess.run([*words, "-nostdin"], check=True, capture_output=True, timeout=60)
    item = done(tmp_path / "film.mkv")
    assert item.frames == 50
    with av.open(str(item.output)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio", "audio"]


def test_where_the_clock_stands_still_frames_follow_each_other(tmp_path):
    item = done(moved(intra(tmp_path / "clip.mkv"), {100 * n: 400 for n in range(5, 12)}))
    check_steps(item.output, 12)
    assert any("stand still at 0.400 s" in note for note in item.notes)


@pytest.mark.parametrize(("to", "moved_there"), [("mp4", 3), ("mkv", 2)])
def test_sound_whose_times_stand_still_or_go_back_goes_into_every_container(
    tmp_path, to, moved_there
):
    """FFmpeg's muxers refuse such packets, in MP4 also two of one time."""
    clip = Clip(audio=("eng",), audio_codec="ac3", sound_s=1.0).write(tmp_path / "clip.mkv")
    item = done(moved(clip, {64: 0, 160: 96, 224: 192}, b"\x82"), format=to)
    sound, own = packets(item.output, "audio"), packets(clip, "audio")
    assert list(sound) == list(own)
    assert sum(abs(sound[one] - time) > Fraction(1, 100) for one, time in own.items()) == 2
    told = f"stream 1: {moved_there} packets out of order"
    assert any(told in note for note in item.notes), item.notes


def from_the_middle(path, share):
    """A transport stream without what follows its tables, up to a share of it."""
    content = path.read_bytes()
    packets = [content[at : at + 188] for at in range(0, len(content), 188)]
    path.write_bytes(b"".join(packets[:3] + packets[int(len(packets) * share) :]))
    return path


def recording(path):
    base = Fraction(1, 25)
    clip = Counted(
        30, codec="mpeg2video", options=REORDERED, time_base=base, rate=25, audio=("eng",),
        audio_codec="mp2",
    )  # fmt: skip
    return clip.write(path)


def test_a_recording_from_the_middle_begins_with_its_first_whole_frame_in_sync(tmp_path):
    whole = recording(tmp_path / "whole.ts")
    times, sound = dict(shown(whole)), packets(whole, "audio")
    item = done(from_the_middle(recording(tmp_path / "part.ts"), 0.25))
    assert any("first whole frame" in note for note in item.notes)
    seen, heard = shown(item.output), packets(item.output, "audio")
    assert seen[0][0] >= 10  # the second key frame, or those just before it
    assert [number for number, _ in seen] == list(range(seen[0][0], 30))
    offsets = [time - times[number] for number, time in seen]
    offsets += [time - sound[content] for content, time in heard.items()]
    assert max(offsets) - min(offsets) <= Fraction(2, 1000)


def test_a_broadcast_begins_at_0_with_all_its_streams_alike(tmp_path):
    """Ten hours on the clock of the sender, far below where its 33 bits begin again."""
    source = remuxed(recording(tmp_path / "first.ts"), tmp_path / "clip.ts", shift_s=-36_000)
    before = [shown(source)[0][1], min(packets(source, "audio").values())]
    assert min(before) > 36_000
    item = done(source)
    after = [shown(item.output)[0][1], min(packets(item.output, "audio").values())]
    assert min(after) == 0
    assert abs((after[0] - after[1]) - (before[0] - before[1])) <= Fraction(1, 1000)
    part = done(source, video=VideoOptions(frames=5), name="part")
    assert shown(part.output)[0][1] == after[0]


def test_a_matroska_file_that_begins_at_3_seconds_is_whole_and_so_is_its_result(tmp_path):
    times = [n + 30 for n in range(12)]
    source = Counted(12, pts=times, audio=("eng",)).write(tmp_path / "clip.mkv")
    item = done(source, name="first")
    again = done(item.output, name="second", include_outputs=True)
    assert look(again.output).pts_s == look(source).pts_s
    assert look(source).pts_s[0] == 3


@pytest.mark.parametrize("name", ["one-key.ts", "keys.ts", "keys.mpg", "clip.swf", "clip.mkv"])
def test_a_part_holds_its_frames_wherever_the_key_frames_are(tmp_path, name):
    """What has no index is only searched for a time, and may be left after the last key frame."""
    codec, form = {"ts": ("mpeg2video", None), "mpg": ("mpeg2video", "vob")}.get(
        name.rpartition(".")[2], ("flv" if name.endswith("swf") else "libx264", None)
    )
    keys = {"g": "600"} if name.startswith("one-key") else {"g": "7"}
    options = keys | {"qmin": "1", "qmax": "1"}
    clip = Counted(
        30, codec=codec, options=options, time_base=Fraction(1, 25), rate=25, format=form
    )
    item = done(clip.write(tmp_path / name), video=VideoOptions(start=0.6))
    assert [number for number, _ in shown(item.output)] == list(range(15, 30))


def test_an_edit_list_that_hides_frames_does_not_make_a_file_cut_short(tmp_path):
    whole = Clip(frames=60, options={"crf": "10", "x264-params": "keyint=30:bframes=3"})
    content = bytearray(whole.write(tmp_path / "whole.mp4").read_bytes())
    begins = content.index(b"elst") + 16  # ISO/IEC 14496-12: the first entry's media time
    with av.open(str(tmp_path / "whole.mp4")) as container:
        hidden = int(2 / container.streams.video[0].time_base)
    was = int.from_bytes(content[begins : begins + 4], "big")
    content[begins : begins + 4] = (was + hidden).to_bytes(4, "big")
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(content)
    item = done(clip)
    assert item.frames == 40
    assert not item.notes


def test_a_file_in_fragments_that_begins_later_is_whole_and_so_is_its_result(tmp_path):
    plain = Clip(frames=20, options={"crf": "10", "bf": "0"}).write(tmp_path / "plain.mp4")
    clip = tmp_path / "clip.mp4"
    options = {"movflags": "frag_every_frame+empty_moov+default_base_moof"}
    with av.open(str(plain)) as source, av.open(str(clip), "w", options=options) as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    content = bytearray(clip.read_bytes())
    header = content.index(b"mdhd") + 16  # ISO/IEC 14496-12: units per second, then the duration
    units = int.from_bytes(content[header : header + 4], "big")
    content[header + 4 : header + 8] = (5 * units).to_bytes(4, "big")
    for found in re.finditer(b"tfdt\x01...", bytes(content), re.DOTALL):  # when a fragment begins
        time = slice(found.end(), found.end() + 8)
        content[time] = (int.from_bytes(content[time], "big") + 3 * units).to_bytes(8, "big")
    clip.write_bytes(content)
    facts = probe_video(clip, 1 << 30)
    assert (facts.start_s, facts.end_s) == (3, 5)
    assert done(clip).frames == 20
