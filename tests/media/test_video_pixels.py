"""Rare pixel formats as planes, against what their bits say."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.pixel_formats import closest, planar
from esc_cli.media.video.probe import probe_video
from esc_cli.media.video.reader import Reader, planes_of

WIDTH, HEIGHT = 64, 16
PACKED = {
    # the bits of red, green and blue from the highest down, and which comes first
    "rgb555": ("rgb", 5, 5, 5),
    "bgr555": ("bgr", 5, 5, 5),
    "rgb565": ("rgb", 5, 6, 5),
    "bgr565": ("bgr", 5, 6, 5),
    "rgb444": ("rgb", 4, 4, 4),
    "bgr444": ("bgr", 4, 4, 4),
    "rgb8": ("rgb", 3, 3, 2),
    "bgr8": ("bgr", 2, 3, 3),
    "rgb4_byte": ("rgb", 1, 2, 1),
    "bgr4_byte": ("bgr", 1, 2, 1),
}


def frame_with(name, content):
    """A frame of one packed plane with these bytes, (HEIGHT, bytes in a row)."""
    frame = av.VideoFrame(WIDTH, HEIGHT, name)
    plane = frame.planes[0]
    np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[:HEIGHT, : content.shape[1]] = (
        content
    )
    return frame


def expected(values, order, widths):
    """Green, blue and red in 0..255 as real numbers."""
    channels, low = {}, sum(widths)
    for name, bits in zip(order, widths, strict=True):
        low -= bits
        channels[name] = (values >> low & (1 << bits) - 1) * 255 / ((1 << bits) - 1)
    return [channels[name] for name in "gbr"]


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize("end", ["le", "be"])
def test_few_bits_become_eight_by_the_value_that_they_stand_for(name, end):
    order, *widths = PACKED[name]
    size = 1 if sum(widths) <= 8 else 2
    form = name if size == 1 else name + end
    values = np.random.default_rng(1).integers(0, 1 << sum(widths), (HEIGHT, WIDTH))
    content = values.astype("u1" if size == 1 else ("<u2" if end == "le" else ">u2"))
    found = planes_of(frame_with(form, content.view(np.uint8)), planar(form))
    for plane, wanted in zip(found, expected(values, order, widths), strict=True):
        assert plane.dtype == np.uint8
        assert np.abs(plane - wanted).max() < 1
        assert np.array_equal(plane[(wanted == 0) | (wanted == 255)], wanted[
            (wanted == 0) | (wanted == 255)
        ])  # fmt: skip


def test_palettes_are_looked_up():
    generator = np.random.default_rng(2)
    indices = generator.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
    colours = generator.integers(0, 256, (256, 3), np.uint8)  # red, green, blue
    frame = frame_with("pal8", indices)
    entries = np.uint32(0xFF000000) | colours.astype(np.uint32) @ np.array([65536, 256, 1], "u4")
    np.frombuffer(frame.planes[1], np.uint32)[:256] = entries
    green, blue, red = planes_of(frame, planar("pal8"))
    assert np.array_equal(np.stack([red, green, blue], axis=2), colours[indices])


@pytest.mark.parametrize("name", ["monow", "monob"])
def test_single_bits_are_nothing_or_everything(name):
    content = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH // 8), np.uint8)
    (plane,) = planes_of(frame_with(name, content), planar(name))
    bits = np.unpackbits(content, axis=1)
    assert np.array_equal(plane, 255 * (1 - bits if name == "monow" else bits))


@pytest.mark.parametrize(
    ("name", "wanted", "bits"),
    [
        ("yuv420p10be", "yuv420p10le", 10),
        ("yuv422p16be", "yuv422p16le", 16),
        ("gbrp12be", "gbrp12le", 12),
        ("gray14be", "gray14le", 14),
    ],
)
def test_the_order_of_bytes_is_turned(name, wanted, bits):
    frame = av.VideoFrame(WIDTH, HEIGHT, name)
    generator = np.random.default_rng(4)
    for plane in frame.planes:
        np.frombuffer(plane, ">u2")[:] = generator.integers(0, 1 << bits, plane.buffer_size // 2)
    layout = planar(name)
    assert layout.name == wanted
    for found, plane in zip(planes_of(frame, layout), frame.planes, strict=True):
        own = np.frombuffer(plane, ">u2").reshape(-1, plane.line_size // 2)
        assert np.array_equal(found, own[: plane.height, : plane.width])


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        *((f"p0{bits}le", f"yuv420p{bits}le") for bits in (10, 12, 16)),
        *((f"p2{bits}be", f"yuv422p{bits}le") for bits in (10, 12, 16)),
        *((f"p4{bits}le", f"yuv444p{bits}le") for bits in (10, 12, 16)),
        ("nv20le", "yuv422p10le"),
        ("xv36le", "yuv444p12le"),
        ("vuyx", "yuv444p"),
        ("x2rgb10le", "gbrp10le"),
        ("rgb48be", "gbrp16le"),
        ("yuv410p", "yuv410p"),
    ],
)
def test_other_orders_of_samples_come_back_as_they_went(name, wanted):
    layout = planar(name)
    assert layout.name == wanted
    frame = av.VideoFrame(WIDTH, HEIGHT, wanted)
    dtype = "u1" if layout.bits == 8 else "<u2"
    generator = np.random.default_rng(5)
    for plane in frame.planes:
        samples = np.frombuffer(plane, dtype)
        samples[:] = generator.integers(0, 1 << layout.bits, samples.size)
    there = frame.reformat(format=name) if name != wanted else frame
    for found, own in zip(planes_of(there, layout), planes_of(frame, layout), strict=True):
        assert np.array_equal(found, own)


def test_mosaics_of_cameras_are_read_as_a_player_would():
    content = np.full((HEIGHT, WIDTH), 200, np.uint8)
    planes = planes_of(frame_with("bayer_rggb8", content), planar("bayer_rggb8"))
    assert all(np.array_equal(plane, content) for plane in planes)


def test_what_encoders_take_of_rare_kinds():
    assert closest(planar("yuv410p"), ["yuv420p", "yuv444p"]).name == "yuv420p"
    assert closest(planar("rgb555le"), ["gbrp", "yuv420p"]).name == "gbrp"
    with pytest.raises(UnsupportedError, match="gbrp10msble"):
        planar("gbrp10msble")


def test_a_video_of_single_bits_uses_all_levels(tmp_path):
    path = tmp_path / "clip.nut"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("rawvideo", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "monob"
        frame = frame_with("monob", np.full((HEIGHT, WIDTH // 8), 0xF0, np.uint8))
        frame.pts, frame.time_base = 0, Fraction(1, 10)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    facts = probe_video(path, 10**6)
    assert (facts.layout.kind, facts.tags.full_range) == ("gray", 2)
    (frame,) = Reader(path, facts).frames()
    assert np.unique(frame.planes[0]).tolist() == [0, 255]
