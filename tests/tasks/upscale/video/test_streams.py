"""Streams beside the video: where they fit, what they become where they do not, what is told."""

from __future__ import annotations

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from clips import Clip, look

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def run(source, streams="fit", **options):
    """The item of a batch of one, in its own size: no network is needed."""
    video = VideoOptions(streams=streams)
    options = {"target": Target(1.0), "video": video} | options
    events = upscale(UpscaleOptions((str(source),), **options), Stop())
    (item,) = (event for event in events if isinstance(event, Item))
    return item


def done(source, streams="fit", **options):
    item = run(source, streams, **options)
    assert item.status == "done", item.reason
    return item


def kinds(path):
    with av.open(str(path)) as container:
        return [(s.type, s.codec_context.codec.canonical_name) for s in container.streams]


@pytest.mark.parametrize(
    ("name", "codec", "found"),
    [
        ("old.wmv", "wmav2", "wmav2"),
        ("old.avi", "adpcm_ms", "adpcm_ms"),
        ("telephone.avi", "pcm_alaw", "pcm_alaw"),
        ("island.avi", "pcm_mulaw", "pcm_mulaw"),
        ("camera.mov", "pcm_s16be", "pcm_s16be"),
        ("studio.mov", "pcm_f32le", "pcm_f32le"),
    ],
)
def test_matroska_holds_sound_under_the_names_of_avi_and_asf(tmp_path, name, codec, found):
    source = Clip(codec="mpeg4", options={}, audio=("eng",), audio_codec=codec).write(
        tmp_path / name
    )
    item = done(source, format="mkv")
    assert kinds(item.output)[1] == ("audio", found)
    assert look(item.output).payloads == look(source).payloads
    assert not [note for note in item.notes if "becomes" in note]


def _amr(path):
    """A 3GP file with a track of AMR, each frame 20 ms of nothing (3GPP TS 26.101, mode 0)."""
    with av.open(str(path), "w", format="mov") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height = 32, 24
        sound = container.add_mux_stream("amr_nb", rate=8000)
        sound.time_base = Fraction(1, 8000)
        clip = Clip()
        for number in range(5):
            container.mux(video.encode(clip.frame(number)))
        container.mux(video.encode(None))
        for number in range(25):
            packet = av.Packet(b"\x04" + bytes(12))
            packet.stream, packet.time_base = sound, Fraction(1, 8000)
            packet.pts = packet.dts = 160 * number
            packet.duration = 160
            container.mux(packet)
    return path


def _with_chapters(source, target):
    with av.open(str(source)) as one, av.open(str(target), "w") as other:
        other.set_chapters(
            [{"id": 1, "start": 0, "end": 500, "time_base": Fraction(1, 1000), "metadata": {}}]
        )
        copies = {s.index: other.add_stream_from_template(s, opaque=True) for s in one.streams}
        for packet in one.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                other.mux(packet)
    return target


def loudness(path):
    """The times in seconds at which the sound begins to be heard, and its samples at 8 kHz."""
    with av.open(str(path)) as container:
        resampler = av.AudioResampler("flt", "mono", 8000)
        blocks, first = [], None
        for frame in container.decode(audio=0):
            first = frame.pts * frame.time_base if first is None else first
            blocks += [f.to_ndarray()[0] for f in resampler.resample(frame)]
    return float(first), np.concatenate(blocks)


def shift_of(one, other):
    """By how many seconds one sound is later than another, by their correlation."""
    count = min(len(one[1]), len(other[1]), 4000)
    a, b = one[1][:count], other[1][:count]
    lag = np.argmax(np.correlate(a, b, "full")) - (count - 1)
    return one[0] - other[0] + float(lag) / 8000


def _burst(path, codec):
    """A click in silence, a quarter of a second after the first sample."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=10)
        video.width, video.height = 32, 24
        track = container.add_stream(codec, rate=48000)
        track.bit_rate = 128_000
        clip = Clip()
        for number in range(10):
            container.mux(video.encode(clip.frame(number)))
        container.mux(video.encode(None))
        samples = np.zeros(48000, np.int16)
        samples[12000:12480] = (np.hanning(480) * np.sin(np.arange(480) / 3) * 30000).astype("i2")
        kind = track.codec_context.format.name
        for start in range(0, 48000, 1200):
            block = np.repeat(samples[None, start : start + 1200], 2, axis=0)
            block = block if kind.endswith("p") else block.T.reshape(1, -1)
            block = block if "16" in kind else (block / 32768).astype("f4")
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), kind, "stereo")
            frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
            container.mux(track.encode(frame))
        container.mux(track.encode(None))
    return path


@pytest.mark.parametrize(
    ("codec", "to", "becomes"),
    [("adpcm_ms", "mp4", "aac"), ("pcm_alaw", "webm", "opus"), ("wmav2", "mov", "aac")],
)
def test_sound_that_does_not_fit_is_converted_and_stays_in_step(tmp_path, codec, to, becomes):
    source = _burst(tmp_path / ("clip.wmv" if codec == "wmav2" else "clip.avi"), codec)
    options = VideoOptions(codec="av1" if to == "webm" else None)
    item = done(source, format=to, video=options)
    assert kinds(item.output)[1] == ("audio", becomes)
    assert any(f"(audio, {codec}) becomes" in note for note in item.notes)
    assert abs(shift_of(loudness(item.output), loudness(source))) < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("to", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mov", "clip.mkv", "clip.ts"])
def test_aac_is_kept_sample_by_sample_and_in_step(tmp_path, name, to):
    """Each packet has a header of its own in a transport stream (ADTS), and none elsewhere.

    Matroska has no list of edits: what the decoder needs to start is heard there, as silence.
    """
    source = _burst(tmp_path / name, "aac")
    item = done(source, format=to)
    assert kinds(item.output)[1] == ("audio", "aac")
    assert not [note for note in item.notes if "becomes" in note]
    before, after = _samples(source), _samples(item.output)
    silence = after.shape[1] - before.shape[1]
    assert silence == (1024 if to == "mkv" and name in ("clip.mp4", "clip.mov") else 0)
    assert np.array_equal(after[:, silence:], before)
    assert abs(_heard_at(item.output) - _heard_at(source)) <= 0.001


def _samples(path):
    with av.open(str(path)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)


def _heard_at(path):
    """When the click is heard, in seconds from the first picture."""
    first, samples = loudness(path)
    return first + int(np.argmax(np.abs(samples) > 0.5)) / 8000 - float(look(path).pts_s[0])


def test_sound_that_no_table_knows_becomes_flac_without_a_loss(tmp_path):
    source = _burst(tmp_path / "clip.mov", "adpcm_ima_qt")
    item = done(source, format="mkv")
    assert kinds(item.output)[1] == ("audio", "flac")
    one, other = loudness(item.output)[1], loudness(source)[1]
    assert np.abs(one[: len(other)] - other[: len(one)]).max() < 2 / 32768


def test_where_chapters_are_kept_sound_of_odd_kinds_is_converted(tmp_path):
    first = _burst(tmp_path / "first.wmv", "wmav2")
    source = _with_chapters(first, tmp_path / "clip.wmv")
    item = done(source)
    assert kinds(item.output)[1] == ("audio", "flac")
    assert len(look_chapters(item.output)) == len(look_chapters(source)) == 1


def look_chapters(path):
    with av.open(str(path)) as container:
        return container.chapters()


def test_amr_of_telephones_stays(tmp_path):
    source = _amr(tmp_path / "clip.3gp")
    item = done(source)
    assert item.output.suffix == ".mkv"
    assert kinds(item.output)[1] == ("audio", "amr_nb")


@pytest.mark.parametrize(
    ("name", "codec", "to", "becomes"),
    [
        ("a.mkv", "subrip", "mp4", "mov_text"),
        ("a.mp4", "mov_text", "mkv", "subrip"),
        ("a.mkv", "subrip", "webm", "webvtt"),
    ],
)
def test_subtitles_of_text_are_converted(tmp_path, name, codec, to, becomes):
    source = Clip(subtitle=codec).write(tmp_path / name)
    item = done(source, format=to, video=VideoOptions(codec="av1" if to == "webm" else None))
    assert kinds(item.output)[1] == ("subtitle", becomes)
    with av.open(str(item.output)) as container:
        stream = container.streams.subtitles[0]
        assert stream.language in {"fre", "fra"}
        packet = next(p for p in container.demux(stream) if p.size > 2)
        assert b"Hello" in bytes(packet)
        assert packet.pts * packet.time_base == Fraction(1, 10)
        assert packet.duration * packet.time_base == Fraction(4, 10)


def test_what_becomes_of_streams_that_do_not_fit_is_chosen(tmp_path):
    clip = Clip(audio=("eng",), subtitle="subrip", attachment=True)
    source = clip.write(tmp_path / "clip.mkv")
    item = done(source, "drop", format="mp4")
    assert kinds(item.output) == [("video", "h264"), ("audio", "aac")]
    assert sum(note.startswith("left out: stream") for note in item.notes) == 2
    item = run(source, "keep", format="mp4", name="other")
    assert "mp4 cannot hold stream 2" in item.reason
    assert "--streams fit" in item.reason


def test_a_video_that_is_refused_leaves_the_others_of_its_batch_alone(tmp_path):
    """One has a stream that does not fit, one is of a kind for which there is no decoder."""
    Clip(3, subtitle="subrip").write(tmp_path / "in" / "subtitled.mkv")
    Clip(3).write(tmp_path / "in" / "plain.mkv")
    (tmp_path / "in" / "camera.braw").write_bytes(b"\0\0\0\x14ftypqt  " + bytes(500))
    video = VideoOptions(streams="keep")
    options = UpscaleOptions((str(tmp_path / "in"),), target=Target(1), video=video, format="mp4")
    *events, summary = upscale(options, Stop())
    items = {event.input.name: event for event in events if isinstance(event, Item)}
    assert {name: item.status for name, item in items.items()} == {
        "camera.braw": "failed", "plain.mkv": "done", "subtitled.mkv": "failed",
    }  # fmt: skip
    assert "mp4 cannot hold stream 1 (subtitle, srt, fre)" in items["subtitled.mkv"].reason
    assert summary.exit_code == 1


def renamed(path, old, new):
    content = path.read_bytes()
    assert old in content
    assert len(old) == len(new)
    path.write_bytes(content.replace(old, new))
    return path


@pytest.mark.parametrize(
    ("clip", "old", "new"),
    [
        (Clip(audio=("eng",)), b"A_AAC", b"A_XYZ"),
        (Clip(subtitle="subrip"), b"S_TEXT/UTF8", b"S_TEXT/XYZ8"),
    ],
)
def test_a_stream_without_a_codec_is_left_out_by_name(tmp_path, clip, old, new):
    item = done(renamed(clip.write(tmp_path / "clip.mkv"), old, new))
    assert [kind for kind, _ in kinds(item.output)] == ["video"]
    assert any(note.startswith("left out: stream 1") for note in item.notes)


def test_a_track_of_data_in_mp4_is_left_out_by_name(tmp_path):
    """What cameras write of their flight: a track whose handler and sample entry nobody knows."""
    source = Clip(subtitle="mov_text").write(tmp_path / "clip.mp4")
    renamed(source, b"tx3g", b"gpxx")
    for handler in (b"sbtl", b"text", b"subt"):
        content = source.read_bytes()
        if handler in content:
            source.write_bytes(content.replace(b"\0\0\0\0" + handler, b"\0\0\0\0meta"))
    item = done(source)
    assert item.output.suffix == ".mp4"
    assert [kind for kind, _ in kinds(item.output)] == ["video"]
    assert any("left out: stream 1" in note for note in item.notes)


def _with_private_stream(path):
    """A transport stream whose tables name one more stream, of a type that nobody knows."""
    content = bytearray(path.read_bytes())
    for at in range(0, len(content), 188):
        table = at + 5
        if content[at + 1] & 0x40 and content[table] == 2 and content[at + 4] == 0:
            length = struct.unpack_from(">H", content, table + 1)[0] & 0xFFF
            end = table + 3 + length - 4
            content[end : end + 9] = b"\x9f\xe7\x77\xf0\x00" + content[end : end + 4]
            struct.pack_into(">H", content, table + 1, 0xB000 | (length + 5))
            struct.pack_into(">I", content, end + 5, _crc(content[table : end + 5]))
    path.write_bytes(bytes(content[: len(content) // 188 * 188]))
    return path


def _crc(content):
    """ISO/IEC 13818-1, annex A."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value >> 31 else value << 1) & 0xFFFFFFFF
    return value


def test_a_private_stream_of_a_broadcast_is_left_out_by_name(tmp_path):
    base = Fraction(1, 90000)
    clip = Clip(10, time_base=base, pts=[9000 * n for n in range(10)], audio=("eng",))
    source = _with_private_stream(clip.write(tmp_path / "clip.ts"))
    with av.open(str(source)) as container:
        assert [s.type for s in container.streams] == ["video", "audio", "unknown"]
    item = done(source)
    assert [kind for kind, _ in kinds(item.output)] == ["video", "audio"]
    assert any("left out: stream 2 (unknown, unknown)" in note for note in item.notes)


def test_teletext_is_left_out_by_name_and_pictures_of_subtitles_are_kept(tmp_path):
    source = tmp_path / "clip.ts"
    with av.open(str(source), "w") as container:
        video = container.add_stream("mpeg2video", rate=25)
        video.width, video.height = 32, 24
        texts = [container.add_mux_stream(codec) for codec in ("dvb_teletext", "dvb_subtitle")]
        for number in range(10):
            container.mux(video.encode(Clip().frame(number)))
            for text in texts:
                packet = av.Packet(b"\x10" + bytes(46))  # EN 300 472: a unit of 46 bytes
                packet.stream, packet.time_base = text, Fraction(1, 25)
                packet.pts = packet.dts = number
                container.mux(packet)
        container.mux(video.encode(None))
    with av.open(str(source)) as container:
        assert [s.type for s in container.streams] == ["video", "subtitle", "subtitle"]
    item = done(source)
    assert kinds(item.output)[1:] == [("subtitle", "dvb_subtitle")]
    assert any("left out: stream 1 (subtitle" in note for note in item.notes)


def test_a_stream_that_is_left_out_may_have_been_the_longest(tmp_path):
    clip = Clip(4, audio=("eng",), sound_s=3.0).write(tmp_path / "clip.mkv")
    assert done(renamed(clip, b"A_AAC", b"A_XYZ")).frames == 4
