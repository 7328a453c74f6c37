"""Transparent videos are enlarged with their opacity, or refused by name before the work."""

from __future__ import annotations

from dataclasses import replace

import av
import numpy as np
import pytest

from esc_cli.media.video.pixel_formats import closest, planar
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import WHOLE
from esc_cli.media.video.verify_pixels import colour_difference
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

LIBVPX = {"auto-alt-ref": "0", "crf": "10", "b": "4M"}
SOURCES = {  # (codec, pixel format, suffix, options)
    "VP8": ("libvpx", "yuva420p", "webm", LIBVPX),
    "VP9": ("libvpx-vp9", "yuva420p", "webm", LIBVPX),
    "VP9 in Matroska": ("libvpx-vp9", "yuva420p", "mkv", LIBVPX),
    "ProRes 4444": ("prores_ks", "yuva444p10le", "mov", {}),
    "FFV1 YUV": ("ffv1", "yuva420p", "mkv", {}),
    "FFV1 RGB": ("ffv1", "bgra", "mkv", {}),
    "FFV1 deep": ("ffv1", "yuva444p12le", "mkv", {}),
    "FFV1 grey": ("ffv1", "ya8", "mkv", {}),
    "FFV1 in AVI": ("ffv1", "yuva444p", "avi", {}),
    "PNG": ("png", "rgba", "mov", {}),
    "PNG of 16 bits": ("png", "rgba64be", "mov", {}),
    "Animation": ("qtrle", "argb", "mov", {}),
    "CineForm": ("cfhd", "gbrap12le", "mov", {}),
    "Ut Video": ("utvideo", "gbrap", "avi", {}),
}
DEFAULTS = {  # the codec, the container, the pixel format as decoded with opacity
    "VP8": ("vp9", "webm", "yuva420p"),
    "VP9": ("vp9", "webm", "yuva420p"),
    "VP9 in Matroska": ("vp9", "mkv", "yuva420p"),
    "ProRes 4444": ("prores", "mov", "yuva444p12le"),
    "FFV1 YUV": ("ffv1", "mkv", "yuva420p"),
    "FFV1 RGB": ("ffv1", "mkv", "bgra"),
    "FFV1 deep": ("ffv1", "mkv", "yuva444p12le"),
    "FFV1 grey": ("ffv1", "mkv", "ya8"),
    "FFV1 in AVI": ("ffv1", "mkv", "yuva444p"),
    "PNG": ("prores", "mov", "yuva444p12le"),
    "PNG of 16 bits": ("prores", "mov", "yuva444p12le"),
    "Animation": ("prores", "mov", "yuva444p12le"),
    "CineForm": ("prores", "mov", "yuva444p12le"),
    "Ut Video": ("ffv1", "mkv", "bgra"),
}


def picture(number=0):
    """Opaque on the left, clear on the right, with hidden green; half clear in a square."""
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[:, :32] = 200, 60, 40, 255
    pixels[:, 32:] = 0, 255, 0, 0
    pixels[8:24, 4 + number : 20 + number, 3] = 128
    return pixels


def written(folder, name, frames=3, opaque=False):
    codec, pix_fmt, suffix, options = SOURCES[name]
    path = folder / f"source.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pix_fmt
        for number in range(frames):
            pixels = picture(number)
            pixels[..., 3] |= 255 * opaque
            frame = av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format=pix_fmt)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def decoded(path):
    """(codec, container's suffix, pixel format, the first frame as RGBA, tags of the stream)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        tags = {key.lower(): value for key, value in stream.metadata.items()}
        beside = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.name)
        decoder = stream if beside is None else av.CodecContext.create(beside, "r")
        frame = next(frame for p in container.demux(stream) for frame in decoder.decode(p))
        name = frame.format.name
        return stream.name, path.suffix[1:], name, frame.to_ndarray(format="rgba"), tags


def run(source, scale=2, output=None, **video):
    options = UpscaleOptions(
        (str(source),),
        output=None if output is None else str(output),
        target=Target(scale),
        video=VideoOptions(**video),
    )
    events = list(upscale(options, Stop()))
    return next(event for event in events if isinstance(event, Item)), events


def done(source, **how):
    item, _ = run(source, **how)
    assert item.status == "done", item.reason
    return decoded(item.output)


@pytest.mark.parametrize("name", SOURCES)
def test_opacity_is_kept_where_the_source_s_container_has_a_place(tmp_path, name):
    codec, suffix, pix_fmt, pixels, tags = done(written(tmp_path, name), scale=1)
    assert (codec, suffix, pix_fmt) == DEFAULTS[name]
    assert tags.get("alpha_mode") == ("1" if codec == "vp9" else None)
    lossy = 6 if codec == "vp9" or name in {"VP8", "CineForm"} else 1
    assert np.abs(pixels[..., 3].astype(int) - picture()[..., 3]).max() <= lossy


@pytest.mark.slow
@pytest.mark.parametrize("name", ["VP9", "ProRes 4444", "FFV1 RGB", "FFV1 grey"])
def test_opacity_is_enlarged_what_is_clear_stays_clear_and_opaque_opaque(tmp_path, name):
    codec, suffix, pix_fmt, pixels, tags = done(written(tmp_path, name), segment_frames=2)
    assert (codec, suffix, pix_fmt) == DEFAULTS[name]
    assert tags.get("alpha_mode") == ("1" if codec == "vp9" else None)
    opacity = pixels[..., 3].astype(int)
    lossy = 4 if codec == "vp9" else 0
    inside = opacity[4:92, 72:].max(), opacity[56:92, 4:56].min()
    assert inside[0] <= lossy
    assert inside[1] >= 255 - lossy
    assert np.abs(opacity[24:40, 16:32] - 128).max() <= 12  # the square, by the network
    if "grey" not in name:
        assert np.abs(pixels[56:84, 12:52, :3].astype(int) - (200, 60, 40)).max() <= 16
    assert np.abs(opacity.mean() - picture()[..., 3].mean()) < 4


@pytest.mark.parametrize(
    ("codec", "suffix", "pix_fmt"),
    [("png", "mov", "rgba"), ("qtrle", "mov", "argb"), ("prores", "mkv", "yuva444p12le"),
     ("vp9", "webm", "yuva420p"), ("ffv1", "mkv", "bgra")],
)  # fmt: skip
def test_every_codec_that_holds_opacity_can_be_asked_for(tmp_path, codec, suffix, pix_fmt):
    source = written(tmp_path, "FFV1 RGB")
    output = tmp_path / f"result.{suffix}"
    found = done(source, scale=1, output=output, codec=codec)
    assert found[:3] == (codec, suffix, pix_fmt)
    opacity = found[3][..., 3].astype(int)
    assert np.abs(opacity - picture()[..., 3]).max() <= (6 if codec == "vp9" else 1)
    seen = picture()[..., 3] == 255
    seen[:, 28:36] = False  # VP9's chroma there is that of both sides
    difference = np.abs(found[3][..., :3].astype(int) - picture()[..., :3])[seen]
    assert difference.max() <= (0 if codec in {"png", "qtrle", "ffv1"} else 14)


@pytest.mark.parametrize(
    ("video", "suffix", "holder"),
    [
        ({"codec": "h264"}, "mkv", "libx264"),
        ({"codec": "hevc"}, "mov", "libx265"),
        ({"codec": "av1"}, "mkv", "libsvtav1"),
        ({"codec": "vp9"}, "mp4", "mp4"),
        ({}, "mp4", "mp4"),
        ({"codec": "ffv1", "pix_fmt": "yuv420p"}, "mkv", "yuv420p"),
    ],
)
def test_where_there_is_no_place_it_is_refused_before_the_work(tmp_path, video, suffix, holder):
    source = written(tmp_path, "VP9")
    item, events = run(source, output=tmp_path / f"result.{suffix}", **video)
    assert item.status == "failed"
    assert item.reason.startswith(f"the video is transparent (yuva420p), and {holder} holds no ")
    assert "vp9, ffv1, prores, png, qtrle and mkv, mov or webm" in item.reason
    assert not any(isinstance(event, Progress) for event in events)
    assert list(tmp_path.iterdir()) == [source]


def test_an_opaque_video_of_a_transparent_format_stays_opaque(tmp_path):
    *_, pixels, _ = done(written(tmp_path, "FFV1 RGB", opaque=True))
    assert pixels[..., 3].min() == 255


def test_the_tag_of_opacity_goes_where_there_is_none(tmp_path):
    """A file that says AlphaMode and has nothing beside its packets."""
    source = written(tmp_path, "VP9")
    path = tmp_path / "said.webm"
    with av.open(str(source)) as one, av.open(str(path), "w") as other:
        copy = other.add_stream_from_template(one.streams.video[0], opaque=True)
        copy.metadata["alpha_mode"] = "1"
        for packet in one.demux(video=0):
            if packet.size:
                plain = av.Packet(bytes(packet))
                plain.pts, plain.dts, plain.time_base = packet.pts, packet.dts, packet.time_base
                plain.is_keyframe, plain.stream = packet.is_keyframe, copy
                other.mux(plain)
    assert probe_video(path, 1 << 30).layout.name == "yuv420p"
    codec, _, pix_fmt, _, tags = done(path)
    assert (codec, pix_fmt) == ("h264", "yuv420p")
    assert "alpha_mode" not in tags


def test_the_fourth_byte_of_a_raw_avi_is_no_opacity(tmp_path):
    path = tmp_path / "raw.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgra"
        pixels = picture()
        pixels[..., 3] = 0
        frame = av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format="bgra")
        container.mux(stream.encode(frame))
    codec, *_, pixels, _ = done(path, scale=1)
    assert codec == "h264"
    assert np.abs(pixels[24, 8, :3].astype(int) - (200, 60, 40)).max() <= 3


def test_another_opacity_or_another_seen_colour_does_not_pass(tmp_path):
    facts = probe_video(written(tmp_path, "FFV1 RGB"), 1 << 30)
    source = tmp_path / "source.mkv"
    assert not colour_difference(source, facts, source, facts, WHOLE)
    other = tmp_path / "other"
    other.mkdir()
    path = written(other, "FFV1 RGB", opaque=True)
    found = probe_video(path, 1 << 30)
    assert "differ" in colour_difference(path, found, source, facts, WHOLE)
    dropped = replace(facts, layout=planar("bgr0"))
    assert "differ" in colour_difference(source, dropped, source, facts, WHOLE)


def test_the_closest_format_keeps_opacity_first_and_has_none_without_need():
    known = ["yuv420p", "yuv444p10le", "yuva420p", "bgra", "bgr0", "ya8", "gray"]
    for source, expected in (
        ("yuva444p10le", "bgra"), ("rgba", "bgra"), ("argb", "bgra"), ("ya8", "ya8"),
        ("yuv420p", "yuv420p"), ("rgb24", "bgr0"), ("gray", "gray"),
    ):  # fmt: skip
        assert closest(planar(source), known).coded == expected


def test_options_of_the_other_videos_of_a_batch_do_not_concern_a_codec_that_has_none(tmp_path):
    source = written(tmp_path, "FFV1 YUV")
    wish = VideoOptions(crf=20, preset="veryfast")
    *_, item, _ = upscale(UpscaleOptions((str(source),), target=Target(1.0), video=wish), Stop())
    assert item.status == "done", item.reason
    for name in ("--crf 20", "--preset veryfast"):
        assert any(note.startswith(f"{name} is left out: ffv1") for note in item.notes), item.notes
