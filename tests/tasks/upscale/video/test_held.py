"""What a container or a codec has no place for is known before the work, and the rest is kept."""

from __future__ import annotations

import shutil
import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import ROTATE_90, Clip, look, remuxed

from esc_cli.media.video.languages import language_in, same_language
from esc_cli.media.video.mux import movie_timescale
from esc_cli.media.video.quicktime_keys import add_keys
from esc_cli.media.video.tracks import lost_tags, title_of
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

WORKFLOW = '{"nodes": [1, 2], "name": "größer"}'


def events_of(source, suffix=None, **video):
    output = None if suffix is None else str(source.with_name(f"result.{suffix}"))
    options = UpscaleOptions(
        (str(source),), output=output, target=Target(1), video=VideoOptions(**video)
    )
    return list(upscale(options, Stop()))


def done(source, suffix=None, **video):
    """(the result, the notes of its item); what was told before the work is among them."""
    events = events_of(source, suffix, **video)
    item = next(event for event in events if isinstance(event, Item))
    assert item.status == "done", item.reason
    assert {event.text for event in events if isinstance(event, Remark)} <= set(item.notes)
    return item.output, item.notes


def refusal(source, suffix=None, **video):
    """Why it is refused, before any frame, where every stream is to be kept."""
    events = events_of(source, suffix, **{"streams": "keep"} | video)
    item = next(event for event in events if isinstance(event, Item))
    assert item.status == "failed"
    assert not any(isinstance(event, Progress) for event in events)
    assert not list(source.parent.glob(".*esc-segments"))
    return item.reason


def tracks(path):
    with av.open(str(path)) as container:
        return [(s.metadata.get("language"), int(s.disposition)) for s in container.streams]


def copied(source, target, change):
    """The same packets in another file, after `change` of the new streams."""
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        other.metadata.update(one.metadata)
        copies = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        change(list(copies.values()))
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                other.mux(packet)
    return target


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "mov"])
def test_languages_are_kept_as_the_container_spells_them(tmp_path, suffix):
    source = Clip(frames=3, audio=("ENG", "fr-CA", "de", "swe", "Klingon")).write(
        tmp_path / "clip.mkv"
    )
    result, notes = done(source, suffix)
    expected = {
        "mkv": ["ENG", "fr-CA", "de", "swe", "Klingon"],
        "mp4": ["eng", "fra", "deu", "swe", "und"],
        "mov": ["eng", "fra", "ger", "sve", None],
    }[suffix]
    assert [language for language, _ in tracks(result)[1:]] == expected
    lost = f"{suffix} has no place for the language Klingon of stream 5"
    assert (lost in notes) == (suffix != "mkv")


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_language_that_is_a_mere_tag_of_matroska_is_kept(tmp_path, suffix):
    clip = Clip(frames=3, audio=("und",)).write(tmp_path / "in" / "clip.mkv")

    def change(streams):
        streams[1].metadata["XANGUAGE"] = "FRE"

    source = copied(clip, tmp_path / "clip.mkv", change)
    source.write_bytes(source.read_bytes().replace(b"XANGUAGE", b"LANGUAGE"))
    result, notes = done(source, suffix)
    assert same_language(tracks(result)[1][0], "fra")
    assert notes == ()


def test_tags_of_a_language_are_alike_however_they_are_spelled():
    for one, other in (("ENG", "eng"), ("en-US", "eng"), ("ger", "deu"), ("swe", "sve"), ("", None),
                       ("und", None), ("zh_Hans", "chi")):  # fmt: skip
        assert same_language(one, other), (one, other)
    assert not same_language("eng", "fra")
    assert not same_language("eng", None)
    assert language_in("mp4", "und") is None


@pytest.mark.parametrize(("suffix", "lost"), [("mkv", ()), ("mp4", ()), ("mov", ("dub, comment",))])
def test_dispositions_are_kept_or_named_before_the_work(tmp_path, suffix, lost):
    plain = Clip(frames=3, audio=("eng", "fre")).write(tmp_path / "in" / "plain.mkv")

    def change(streams):
        streams[2].disposition = 2 | 8  # dub, comment

    source = copied(plain, tmp_path / "clip.mkv", change)
    result, notes = done(source, suffix)
    assert bool(tracks(result)[2][1] & 10) == (not lost)
    assert notes == tuple(
        f"{suffix} has no place for the disposition {o} of stream 2" for o in lost
    )


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_tags_of_any_name_are_kept_beside_those_that_players_know(tmp_path, suffix):
    tags = {
        "title": "A clip",
        "com.apple.quicktime.make": "Apple",
        "workflow": WORKFLOW,
        "firmware": "HD9.01",
    }
    clip = Clip(frames=3, audio=("eng",), chapters=True, rotation=ROTATE_90, metadata=tags)
    source = clip.write(tmp_path / "clip.mkv")
    result, notes = done(source, suffix)
    found = look(result)
    assert {k.lower(): v for k, v in found.metadata.items()}.items() >= tags.items()
    assert found.rotation == look(source).rotation != 0
    assert len(found.chapters) == 2
    assert b"\xa9nam" in result.read_bytes()  # what every player knows as the title
    copy = tmp_path / "in" / f"copy.{suffix}"
    copy.parent.mkdir()
    shutil.copy(result, copy)
    again, _ = done(copy)  # and so is what was written here
    assert look(again).metadata.items() >= found.metadata.items() - {("encoder", "")}
    assert not [note for note in notes if "tag" in note]


def test_a_time_in_another_form_is_the_same_time():
    for other in (
        "2016-05-31T17:01:35.000000Z",
        "2016-05-31 17:01:35",
        "2016-05-31T19:01:35+02:00",
    ):
        assert not lost_tags({"creation_time": "2016-05-31 17:01:35"}, {"CREATION_TIME": other})
    assert lost_tags({"creation_time": "2016-05-31 17:01:35"}, {"creation_time": "some time"})
    assert lost_tags({"creation_time": "2016-05-31"}, {})
    assert lost_tags({"title": "A"}, {"TITLE": "a"})


def test_covers_and_tags_of_any_name_do_not_exclude_each_other(tmp_path):
    source = Clip(frames=3, audio=("eng",), cover=True).write(tmp_path / "clip.mp4")
    with source.open("r+b") as file:
        add_keys(file, [("workflow", WORKFLOW)], is_mp4=True)
    assert look(source).metadata["workflow"] == WORKFLOW
    result, _ = done(source, "mp4")
    found = look(result)
    assert (found.metadata["workflow"], found.metadata["title"]) == (WORKFLOW, "A clip")
    assert sum(bool(disposition & 1 << 10) for _, disposition in tracks(result)) == 1


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


def test_a_title_of_no_letters_is_none(tmp_path):
    clip = Clip(frames=3, audio=("eng",), titles=True).write(tmp_path / "clip.mkv")
    content = clip.read_bytes()
    title = b"\x53\x6e\x8cSound in eng"
    assert title in content
    clip.write_bytes(content.replace(title, title[:3] + bytes(12)))
    with av.open(str(clip)) as container:
        assert title_of(container.streams.audio[0]) is None
    done(clip, "mp4")
    done(clip, "mkv")


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
