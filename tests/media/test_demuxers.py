"""Which files are videos, whatever they are called and whatever stands in front of them."""

from __future__ import annotations

import av
import numpy as np
import pytest
from clips import Clip
from numbered_clips import Counted
from PIL import Image

from esc_cli.errors import EscError
from esc_cli.media.paths import Selection, find_sources
from esc_cli.media.video.demuxers import PROBED, demuxer_of, is_video
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Reader

ASKED_FOR = ".3g2 .asf .ogg .m2v .ps .mxf .dv .ivf .hevc .h264 .wtv .rm .mts"


def frames_in(path):
    facts = probe_video(path, 10**6)
    return facts.demuxer, len(list(Reader(path, facts).frames()))


def moving(**options):
    options = {"options": {"g": "6"}, "codec": "mpeg2video"} | options
    return Counted(12, rate=25, time_base=Clip.time_base * 2 / 5, **options)


@pytest.mark.parametrize("junk", [777, 1234, 20_000])
@pytest.mark.parametrize(
    ("name", "form", "demuxer"), [("a.ts", "mpegts", "mpegts"), ("a.mpg", "vob", "mpeg")]
)
def test_bytes_of_something_else_may_come_first(tmp_path, junk, name, form, demuxer):
    path = moving(format=form, size=(320, 240)).write(tmp_path / name)
    noise = np.random.default_rng(6).integers(0, 256, junk, np.uint8).tobytes()
    path.write_bytes(noise + path.read_bytes())
    assert demuxer_of(path.read_bytes()[: 1 << 16]) == demuxer
    assert is_video(path.rename(tmp_path / "nameless"))
    assert frames_in(tmp_path / "nameless") == (demuxer, 12)


def test_transport_packets_of_blu_ray_and_of_receivers_are_known(tmp_path):
    plain = moving(format="mpegts", size=(320, 240)).write(tmp_path / "a.ts").read_bytes()
    packets = [plain[at : at + 188] for at in range(0, len(plain), 188)]
    for name, made in (
        ("blu-ray", b"".join(bytes(4) + packet for packet in packets)),
        ("receiver", b"".join(packet + bytes(16) for packet in packets)),
    ):
        (tmp_path / name).write_bytes(made)
        assert frames_in(tmp_path / name) == ("mpegts", 12)


def test_bytes_of_something_else_may_come_between(tmp_path):
    content = moving(format="mpegts", size=(320, 240)).write(tmp_path / "a.ts").read_bytes()
    groups = [content[at : at + 5 * 188] for at in range(0, len(content), 5 * 188)]
    path = tmp_path / "nameless"
    path.write_bytes(b"".join(bytes(range(59)) + group for group in groups))
    assert frames_in(path) == ("mpegts", 12)


def test_a_grey_picture_is_no_transport_stream():
    """The sync byte is the grey 71, which fills whole pictures."""
    assert demuxer_of(b"G" * 20_000) is None


@pytest.mark.parametrize("name", ["a.tga", "a.pcx", "a.dng", "a.fits", "a.ico", "a.ppm"])
def test_rows_of_samples_that_look_like_packets_make_no_video(tmp_path, name):
    """A column of 64 pixels a row, with the grey of the sync byte, as TGA stores it."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 2] = 71, 255, 255
    pixels[:, 3, 0] = 255
    path = tmp_path / name
    Image.fromarray(pixels[..., ::-1]).save(path, "TGA")
    assert demuxer_of(path.read_bytes()) == "mpegts"
    assert not is_video(path)


@pytest.mark.parametrize(
    ("name", "codec", "form", "demuxer"),
    [
        ("a.h264", "libx264", "h264", "h264"),
        ("a.264", "libx264", "h264", "h264"),
        ("a.m4v", "mpeg4", "m4v", "m4v"),
        ("a.mjpeg", "mjpeg", "mjpeg", "mjpeg"),
        ("a.mjpg", "mjpeg", "mjpeg", "mjpeg"),
        ("a.obu", "libsvtav1", "obu", "obu"),
        ("a.swf", "flv", "swf", "swf"),
        ("a.rm", "rv20", "rm", "rm"),
        ("a.ivf", "libsvtav1", "ivf", "ivf"),
        ("a.mxf", "mpeg2video", "mxf", "mxf"),
        ("a.wtv", "mpeg2video", "wtv", "wtv"),
        ("a.nut", "ffv1", "nut", "nut"),
        ("a.asf", "wmv2", "asf", "asf"),
        ("a.3g2", "libx264", "3g2", "mov"),
        ("a.mts", "libx264", "mpegts", "mpegts"),
        ("a.ps", "mpeg2video", "vob", "mpeg"),
    ],
)
def test_kinds_are_read_by_content_or_name(tmp_path, name, codec, form, demuxer):
    size = (96, 64) if codec != "mjpeg" else (64, 64)
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    clip = moving(codec=codec, options={}, size=size, format=form, pix_fmt=pix_fmt)
    assert frames_in(clip.write(tmp_path / name)) == (demuxer, 12)


def test_what_only_has_the_name_of_a_raw_stream_opens_nothing_else(tmp_path):
    for text in ("#EXTM3U\nhttp://127.0.0.1:9/a.ts\n", "ffconcat version 1.0\nfile a.mp4\n", "x"):
        path = tmp_path / "clip.h264"
        path.write_text(text)
        with pytest.raises(EscError, match=r"playlist|not a video"):
            probe_video(path, 10**6)


def test_no_demuxer_that_opens_other_files_is_ever_tried():
    opening = {"hls", "dash", "concat", "sdp", "rtsp", "rtp", "image2", "webm_dash_manifest"}
    assert not opening & set(PROBED.split(","))
    assert all(av.ContainerFormat(name, "r").is_input for name in PROBED.split(","))


def found_in(folder):
    return [
        source.relative.name
        for source in find_sources(
            (str(folder),), Selection(), output_root=None, source_of=lambda _: None
        ).sources
    ]


def test_a_folder_scan_finds_every_kind_with_a_demuxer_and_names_the_others(tmp_path):
    names = [f"a{suffix}" for suffix in ASKED_FOR.split() if suffix != ".ogg"]
    names += ["a.rmvb", "a.gxf", "a.bik", "a.braw", "a.ari", "A.VOB"]
    for name in names:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.txt").write_bytes(b"x")
    assert sorted(found_in(tmp_path)) == sorted(names)


def test_every_suffix_that_ffmpeg_has_for_these_kinds_is_found(tmp_path):
    """But those that other programs have for files of another kind."""
    others = {
        ".str",
        ".bit",
        ".v",
        ".avs",
        ".avs2",
        ".avs3",
        ".cgi",
        ".son",
        ".vb",
        ".avif",
        ".heic",
        ".heif",
    }
    sound = {".m4a", ".m4b", ".wma", ".mka", ".mks", ".ra"}
    for demuxer in PROBED.split(","):
        for suffix in av.ContainerFormat(demuxer, "r").extensions:
            if f".{suffix}" not in others | sound:
                (tmp_path / f"a.{suffix}").write_bytes(b"x")
    assert sorted(found_in(tmp_path)) == sorted(path.name for path in tmp_path.iterdir())


def test_music_in_ogg_is_passed_by_and_a_film_is_not(tmp_path):
    with av.open(str(tmp_path / "song.ogg"), "w") as container:
        track = container.add_stream("libopus", rate=48000)
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate = 48000
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    Clip(4, codec="libvpx", options={}, audio=("eng",), audio_codec="libopus").write(
        tmp_path / "film.ogg"
    )
    assert found_in(tmp_path) == ["film.ogg"]
