"""Videos that cannot be done, or not wholly: one clear line each, and nothing half written."""

from __future__ import annotations

import re
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import Clip, finished_steps, look, remuxed, unfinished
from PIL import Image

from esc_cli.errors import EscError, MissingExtraError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def run(source, **options):
    """(the item, the exit code) of a batch of one."""
    *events, summary = upscale(UpscaleOptions((str(source),), **options), Stop())
    (item,) = (event for event in events if isinstance(event, Item))
    return item, summary.exit_code


def failure(source, **options):
    item, code = run(source, **options)
    assert (item.status, code) == ("failed", 1)
    assert "\n" not in item.reason
    results = [p for p in source.parent.rglob("*_x2*") if p.is_file() and p.name[0] != "."]
    assert results == []
    return item.reason


def cut(source, name, share):
    content = source.read_bytes()
    path = source.with_name(name)
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.fixture
def long_clip(tmp_path):
    return Clip(frames=60, size=(64, 48), audio=("eng",)).write(tmp_path / "long.mkv")


def test_a_truncated_matroska_file_fails_and_says_where_it_ends(long_clip):
    source = cut(long_clip, "cut.mkv", 0.5)
    reason = failure(source)
    assert "cut short" in reason
    assert "of 6." in reason  # seconds that it declares
    assert "--allow-truncated" in reason


def test_a_truncated_video_is_kept_when_asked_without_doing_it_again(long_clip):
    source = cut(long_clip, "cut.mkv", 0.5)
    options = VideoOptions(segment_frames=8)
    item, _ = run(source, video=options)
    assert item.status == "failed"
    folder = unfinished(source.with_name("cut_x2.mkv"))
    assert finished_steps(source.with_name("cut_x2.mkv"))
    item, _ = run(source, video=VideoOptions(segment_frames=8, allow_truncated=True))
    assert item.status == "done", item.reason
    assert item.seconds["network"] == 0  # every frame was done before
    assert "cut short" in item.notes[0]
    result = look(source.with_name("cut_x2.mkv"))
    assert 20 < len(result.pts_s) < 60
    assert result.pts_s == look(long_clip).pts_s[: len(result.pts_s)]
    assert not folder.parent.exists()


def test_a_truncated_mp4_file_fails_and_says_where_it_ends(tmp_path):
    clip = Clip(frames=60, size=(64, 48)).write(tmp_path / "clip.mp4")
    fast = remuxed(clip, tmp_path / "fast.mp4", movflags="faststart")  # the index in front
    reason = failure(cut(fast, "cut.mp4", 0.5))
    assert re.search(r"cut short: it ends at 2\.\d{3} s, \d+ of 60 frames", reason)
    reason = failure(cut(clip, "headless.mp4", 0.5))  # the index was at the end
    assert "damaged or cut short" in reason


@pytest.mark.slow
def test_damage_in_the_middle_is_named_with_its_time(long_clip):
    content = bytearray(long_clip.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 1500] = bytes(1500)
    source = long_clip.with_name("hole.mkv")
    source.write_bytes(content)
    reason = failure(source)
    assert re.search(r"damaged between \d\.\d{3} s and \d\.\d{3} s", reason)
    item, _ = run(source, video=VideoOptions(allow_truncated=True))
    assert item.status == "done"
    assert item.notes


def test_only_audio(tmp_path):
    path = tmp_path / "song.mkv"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    assert failure(path) == "no video stream, only audio"


def test_a_cover_picture_is_no_video(tmp_path):
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        track = container.add_stream("aac", rate=48000)
        cover = Clip(cover=True)._cover(container)
        container.start_encoding()
        from clips import _jpeg

        packet = av.Packet(_jpeg())
        packet.stream, packet.pts, packet.dts, packet.time_base = cover, 0, 0, Fraction(1, 90000)
        container.mux(packet)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    assert failure(path) == "no video stream, only audio"


def test_no_frames(tmp_path):
    path = tmp_path / "empty.mkv"
    with av.open(str(path), "w") as container:
        container.add_stream("libx264", rate=10).codec_context.width = 64
        container.start_encoding()
    assert "no frame" in failure(path) or "cannot be opened" in failure(path)


def test_an_unknown_codec(tmp_path):
    path = Clip(frames=3, codec="ffv1", options={}).write(tmp_path / "clip.mkv")
    content = path.read_bytes()
    assert b"V_FFV1" in content
    path.write_bytes(content.replace(b"V_FFV1", b"V_XYZ1"))
    assert failure(path) == "there is no decoder for its video stream"


def test_a_size_or_a_clock_that_jumps_fails_with_the_time(tmp_path):
    """Transport streams can be put one behind the other, whatever they hold."""
    base = Fraction(1, 90000)
    first = Clip(time_base=base, pts=[9000 * n for n in range(10)]).write(tmp_path / "1.ts")
    later = [9000 * n for n in range(12, 22)]
    other = Clip(time_base=base, pts=later, size=(48, 32)).write(tmp_path / "2.ts")
    path = tmp_path / "both.ts"
    path.write_bytes(first.read_bytes() + other.read_bytes())
    assert re.search(r"the size changes at \d\.\d+ s", failure(path))
    path.write_bytes(first.read_bytes() * 2)
    assert re.search(r"timestamps do not increase at \d\.\d+ s", failure(path))


def test_odd_results_in_420_are_refused_before_work_with_advice(tmp_path):
    path = Clip(frames=2, size=(33, 25), codec="ffv1", options={}).write(tmp_path / "clip.mkv")
    from esc_cli.tasks.upscale.options import Target

    item, code = run(path, target=Target(3))
    assert (item.status, code) == ("failed", 1)
    assert "99 x 75" in item.reason
    assert "--pix-fmt yuv444p" in item.reason
    item, _ = run(path, target=Target(3), video=VideoOptions(pix_fmt="yuv444p"))
    assert item.status == "done", item.reason
    assert look(item.output).size == (99, 75)


def test_one_pixel(tmp_path):
    path = Clip(frames=2, size=(1, 1), codec="ffv1", options={}).write(tmp_path / "dot.mkv")
    item, _ = run(path)
    assert item.status == "done", item.reason
    assert look(item.output).size == (2, 2)


def test_too_many_pixels(tmp_path):
    path = Clip(frames=2).write(tmp_path / "clip.mkv")
    assert "more than the limit" in failure(path, max_pixels=32 * 24 - 1)


def test_a_part_that_lies_behind_the_end(tmp_path):
    path = Clip(frames=5).write(tmp_path / "clip.mkv")
    assert "no frame lies" in failure(path, video=VideoOptions(start=100))


@pytest.mark.parametrize(
    "content", [b"no video at all", b"\0" * 600, b"\x1aE\xdf\xa3" + b"x" * 900]
)
def test_what_only_has_the_name_of_a_video(tmp_path, content):
    path = tmp_path / "clip.mkv"
    path.write_bytes(content)
    assert "not a video" in failure(path) or "cannot be opened" in failure(path)


def test_without_pyav_the_message_holds_the_install_line(tmp_path, monkeypatch):
    import sys

    from esc_cli.media.video import source

    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'esc-cli\[video\]'"):
        source.load_av()
    Clip(frames=2).write(tmp_path / "in" / "clip.mkv")
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "picture.png")
    *events, summary = upscale(UpscaleOptions((str(tmp_path / "in"),)), Stop())
    assert (summary.done, summary.failed, summary.exit_code) == (1, 1, 1)  # the picture is done
    (failed,) = (e for e in events if isinstance(e, Item) and e.status == "failed")
    assert failed.input.name == "clip.mkv"
    assert "pip install 'esc-cli[video]'" in failed.reason


@pytest.mark.slow
def test_a_source_that_changes_meanwhile_fails(tmp_path):
    path = Clip(frames=40, size=(64, 48)).write(tmp_path / "clip.mkv")
    options = UpscaleOptions((str(path),), video=VideoOptions(segment_frames=3))
    items = []
    for event in upscale(options, Stop()):
        if isinstance(event, Progress):
            with path.open("ab") as stream:
                stream.write(b"\0")
        items += [event] if isinstance(event, Item) else []
    assert "changed while the batch ran" in items[0].reason


def test_the_check_of_the_result_finds_what_differs(tmp_path):
    """Written for one source, compared with another."""
    from array import array
    from dataclasses import replace

    from esc_cli.media.video.codecs import Encoding
    from esc_cli.media.video.probe import probe_video
    from esc_cli.media.video.verify import Expected, verify

    source = Clip(frames=6, audio=("eng",), sar=Fraction(4, 3)).write(tmp_path / "a.mkv")
    facts = probe_video(source, 10**9)
    encoding = Encoding(
        "libx264", (), "matroska", facts.layout, facts.width, facts.height, facts.time_base,
        facts.rate, facts.sar, facts.tags, None,
    )  # fmt: skip
    packets = len(list(_audio_packets(source)))
    expected = Expected(facts, encoding, array("q", range(0, 600, 100)), {1: packets})
    verify(source, source, expected)
    for part, what in (
        (Clip(frames=5, audio=("eng",), sar=Fraction(4, 3)), "5 of 6 frames"),
        (Clip(frames=6, audio=("eng",)), "sample aspect ratio"),
        (Clip(frames=6, audio=("ger",), sar=Fraction(4, 3)), "language ger instead of eng"),
        (Clip(frames=6, sar=Fraction(4, 3)), "1 of 2 streams"),
        (Clip(frames=6, audio=("eng",), size=(48, 24), sar=Fraction(4, 3)), "size (48, 24)"),
        (
            Clip(6, audio=("eng",), sar=Fraction(4, 3), pts=[0, 1, 2, 4, 5, 6]),
            "frame 3 is shown at 0.4000 s instead of 0.3000 s",
        ),
        (Clip(6, audio=("eng",), sar=Fraction(4, 3), chapters=True), "2 of 0 chapters"),
    ):
        written = part.write(tmp_path / "b.mkv")
        with pytest.raises(EscError) as caught:
            verify(written, source, expected)
        assert what in str(caught.value)
    longer = replace(expected, facts=replace(facts, duration_s=9.0))
    with pytest.raises(EscError, match=r"it lasts 0\.6\d+ s instead of 9\.000 s"):
        verify(source, source, longer)
    verify(source, source, replace(longer, intact=False))
    for name, tags in (
        ("matrix", replace(facts.tags, matrix=1)),
        ("range", replace(facts.tags, full_range=2)),
    ):
        with pytest.raises(EscError, match=name):
            verify(source, source, replace(expected, encoding=replace(encoding, tags=tags)))


def _audio_packets(path):
    with av.open(str(path)) as container:
        yield from (p.size for p in container.demux(container.streams.audio[0]) if p.size)


def test_of_two_video_streams_the_first_that_can_be_decoded_is_done(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=10) for codec in ("ffv1", "libx264")]
        for stream in streams:
            stream.width, stream.height = 32, 24
        for number in range(4):
            for stream in streams:
                frame = Clip().frame(number)
                frame.pts, frame.time_base = number, Fraction(1, 10)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    path.write_bytes(path.read_bytes().replace(b"V_FFV1", b"V_XYZ1"))
    item, _ = run(path)
    assert (item.status, item.frames) == ("done", 4), item.reason
    assert any("left out: stream 0 (video" in note for note in item.notes)


def test_reasons_hold_no_words_of_python(tmp_path, monkeypatch):
    from esc_cli.media.video import probe

    monkeypatch.setattr(probe, "_first_frames", lambda *_: None.name)
    assert failure(Clip(2).write(tmp_path / "clip.mkv")) == "the video is damaged"
