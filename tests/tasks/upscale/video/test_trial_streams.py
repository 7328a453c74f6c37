"""What a container or a codec has no place for is known before the work, and the rest is kept."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import Clip, look, remuxed
from video_runs import done, events_of, tracks

from esc_cli.media.video.mux import movie_timescale
from esc_cli.tasks.upscale.events import Item, Progress


def refusal(source, suffix=None, **video):
    """Why it is refused, before any frame, where every stream is to be kept."""
    events = events_of(source, suffix, **{"streams": "keep"} | video)
    item = next(event for event in events if isinstance(event, Item))
    assert item.status == "failed"
    assert not any(isinstance(event, Progress) for event in events)
    assert not list(source.parent.glob(".*esc-segments"))
    return item.reason


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
@pytest.mark.parametrize("base", [Fraction(1, 90000), Fraction(1001, 30000), Fraction(1, 24)])
def test_a_start_that_is_no_whole_millisecond_is_kept(tmp_path, suffix, base):
    first = round(Fraction(7, 5) / base) + 1
    step = max(1, round(Fraction(1, 24) / base))
    pts = [first + step * number for number in range(5)]
    source = Clip(5, time_base=base, pts=pts).write(tmp_path / "clip.mov")
    wanted = look(source).pts_s
    result, _ = done(source, suffix)
    assert look(result).pts_s == wanted


def test_the_clock_of_a_movie_counts_the_start_evenly_as_long_as_it_can():
    assert movie_timescale(Fraction(1, 2), Fraction(1, 90000)) == 1000
    assert movie_timescale(Fraction(43001, 30000), Fraction(1, 90000)) == 90000
    assert movie_timescale(Fraction(1, 24), Fraction(1, 24)) == 1008
    assert movie_timescale(Fraction(1, 1 << 40), Fraction(1, 1 << 40)) == 1_000_000


@pytest.mark.parametrize(
    ("stated", "kept"),
    [
        ((1, 1, 1), (1, 1, 1)),
        ((9, 9, 16), (9, 9, 16)),
        ((6, 6, 6), (6, 6, 1)),  # the same curve by another number
        ((5, 5, 6), (6, 5, 1)),  # and the same matrix
        ((7, 6, 6), (6, 6, 1)),  # a matrix that ProRes lacks: the colours get another
    ],
)
def test_prores_states_the_colours_that_it_has(tmp_path, stated, kept):
    matrix, primaries, transfer = stated
    clip = Clip(3, (64, 48), matrix=matrix, primaries=primaries, transfer=transfer, full_range=1)
    result, notes = done(clip.write(tmp_path / "clip.mkv"), "mov", codec="prores")
    tags = look(result).tags
    assert (tags[0], tags[2], tags[3]) == kept
    assert notes == ()


def said_of_stereo(path, mode):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=10, options={"crf": "30", "b": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.metadata["stereo_mode"] = mode
        container.mux([*stream.encode(Clip(size=(64, 48)).frame(0)), *stream.encode(None)])
    return path


def test_one_view_is_no_arrangement_of_two_and_what_is_kept_is_not_called_lost(tmp_path):
    lost = "will be lost, as libx264 is not given it: the arrangement of stereo pictures"
    _, notes = done(said_of_stereo(tmp_path / "mono.webm", "mono"))
    assert notes == ()
    source = said_of_stereo(tmp_path / "two.webm", "left_right")
    assert done(source, "mkv")[1] == ()
    assert done(source, "mp4")[1] == (lost,)


@pytest.mark.parametrize("suffix", ["mov", "mkv"])
def test_a_time_code_that_is_kept_is_not_called_left_out(tmp_path, suffix):
    source = Clip(frames=3, timecode="01:02:03:04").write(tmp_path / "clip.mov")
    result, notes = done(source, suffix)
    assert timecode_of(result) == timecode_of(source) != ""
    assert notes == ()


def timecode_of(path):
    with av.open(str(path)) as container:
        tags = container.streams.video[0].metadata
        return {key.lower(): value for key, value in tags.items()}["timecode"]


def many_in_one(path):
    """3GP as old telephones wrote it: five frames of AMR in each sample."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = container.add_stream("libopencore_amrnb", rate=8000, layout="mono")
        audio.bit_rate = 12200
        container.mux([*video.encode(Clip(size=(64, 48)).frame(0)), *video.encode(None)])
        for number in range(50):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 160), np.int16), "s16", "mono")
            frame.sample_rate, frame.pts = 8000, 160 * number
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))
    content = bytearray(path.read_bytes())
    track = content.index(b"samr")

    def table(name, *values):
        at = content.index(name, track) + 4
        before = struct.unpack_from(f">{len(values)}I", content, at)
        struct.pack_into(f">{len(values)}I", content, at, *values)
        return before

    *_, start = table(b"stco", 0, 2, 0, 0)
    table(b"stco", 0, 2, start, start + 5 * 160)  # two chunks of five samples of five frames
    table(b"stsc", 0, 2, 1, 5, 1, 2, 5, 1)
    table(b"stsz", 0, 160, 10)
    table(b"stts", 0, 2, 9, 800, 1, 800)
    path.write_bytes(content)
    return path


def test_sound_whose_packets_no_muxer_takes_is_named_before_the_work(tmp_path):
    source = many_in_one(tmp_path / "clip.3gp")
    assert refusal(source, "mov").startswith("mov cannot hold stream 1 (audio, amrnb")


@pytest.mark.parametrize(("first", "suffix"), [("mp4", "mkv"), ("mkv", "mp4"), ("ts", "mp4")])
def test_layer_2_of_mpeg_audio_passes_through_mp4(tmp_path, first, suffix):
    clip = Clip(frames=3, audio=("eng",), audio_codec="mp2")
    result, _ = done(clip.write(tmp_path / f"clip.{first}"), suffix)
    assert len(tracks(result)) == 2


@pytest.mark.parametrize(
    ("suffix", "format", "held"),
    [("mp4", "mjpeg", True), ("mkv", "mjpeg", True), ("mkv", "png", True), ("mov", "mjpeg", False)],
)
def test_a_cover_is_kept_or_refused_before_the_work(tmp_path, suffix, format, held):
    source = Clip(frames=3, audio=("eng",), cover=True).write(tmp_path / "clip.mp4")
    if format == "png":
        source = with_png_cover(source, tmp_path / "png.mp4")
    if not held:
        assert "mov cannot hold stream 2 (video, mjpeg) (mkv can;" in refusal(source, suffix)
        return
    result, notes = done(source, suffix)
    assert sum(bool(disposition & 1 << 10) for _, disposition in tracks(result)) == 1
    assert not [note for note in notes if "nothing here" in note]


def with_png_cover(source, target):
    frame = av.VideoFrame.from_ndarray(np.full((16, 16, 3), 90, np.uint8), "rgb24")
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 16, 16, "rgb24"
    encoder.time_base = Fraction(1, 25)
    cover = encoder.encode(frame) or encoder.encode(None)
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        main = one.streams.video[0]
        copy = other.add_stream_from_template(main, opaque=True)
        picture = other.add_mux_stream("png", width=16, height=16)
        picture.disposition = 1 << 10
        for packet in cover:
            packet.stream, packet.pts, packet.dts = picture, 0, 0
            packet.time_base = Fraction(1, 90000)
            other.mux(packet)
        for packet in one.demux(main):
            if packet.size:
                packet.stream = copy
                other.mux(packet)
    return target


def test_texts_of_flash_become_those_of_matroska(tmp_path):
    source = Clip(frames=3, codec="flv", options={}).write(tmp_path / "clip.flv")
    body = b"\2\0\x0aonTextData\x08\0\0\0\1\0\4text\2\0\5Hello\0\0\x09"  # AMF 0
    head = struct.pack(">B3s3s4x", 18, len(body).to_bytes(3, "big"), (100).to_bytes(3, "big"))
    with source.open("ab") as file:
        file.write(head + body + struct.pack(">I", len(head + body)))
    result, notes = done(source)
    with av.open(str(result)) as container:
        (subtitle,) = container.streams.subtitles
        assert [bytes(packet) for packet in container.demux(subtitle) if packet.size] == [b"Hello"]
    assert notes == ()
    assert "mp4 cannot hold stream 1 (subtitle, text) (mkv can;" in refusal(source, "mp4")


def test_a_track_that_the_first_packets_do_not_reach_is_kept(tmp_path):
    """A subtitle at the end, in a container that has no tracks without packets."""
    plain = Clip(frames=40, subtitle="mov_text").write(tmp_path / "in" / "clip.mp4")
    source = remuxed(plain, tmp_path / "clip.mp4")
    result, notes = done(source, "mp4")
    assert look(result).payloads == look(source).payloads
    assert notes == ()
