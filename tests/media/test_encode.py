"""Pixels that go into a format come back out of it."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan
from esc_cli.media.picture import Header, Metadata, Picture, to_eight_bits

LIMIT = 10**6


def still(pixels: np.ndarray, source: str = "PNG") -> Picture:
    height, width, channels = pixels.shape
    header = Header(source, width, height, channels, pixels.itemsize * 8, 1)
    return Picture(header, (pixels,), (), None, Metadata())


@pytest.mark.parametrize("name", ["PNG", "TIFF"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_and_tiff_hold_every_kind_without_loss(dark16, name, kind, channels):
    pixels = np.ascontiguousarray(dark16[..., :channels]).astype(kind)
    result = decode(encode(still(pixels), OutputPlan(name, ""), None), LIMIT)
    assert (result.header.format, result.header.channels) == (name, channels)
    assert result.frames[0].dtype == kind
    np.testing.assert_array_equal(result.frames[0], pixels)


@pytest.mark.parametrize("name", ["WEBP", "AVIF", "HEIF", "GIF"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_colour_formats_take_grey_and_16_bits(rgba, name, channels, kind):
    pixels = rgba[..., [0, 3]] if channels == 2 else rgba[..., :channels]
    wide = np.ascontiguousarray(pixels).astype(kind) * (257 if kind == np.uint16 else 1)
    result = decode(encode(still(wide.astype(kind)), OutputPlan(name, ""), None), LIMIT)
    bits = 16 if kind == np.uint16 and name in ("AVIF", "HEIF") else 8
    assert (result.header.channels, result.header.bits) == (3 if channels % 2 else 4, bits)
    assert result.frames[0].shape[:2] == (20, 30)
    if channels in (1, 3):
        levels = result.frames[0] / (257 if bits == 16 else 1)
        assert np.abs(levels - pixels).mean() < 8


def test_webp_at_100_is_lossless(rgba):
    opaque = rgba.copy()
    opaque[..., 3] = np.maximum(rgba[..., 3], 1)
    result = decode(encode(still(opaque), OutputPlan("WEBP", ""), 100), LIMIT)
    np.testing.assert_array_equal(result.frames[0], opaque)


def test_jpeg_is_444_and_follows_the_quality(rgb):
    sizes = {}
    for quality in (None, 40):
        content = encode(still(rgb), OutputPlan("JPEG", ""), quality)
        with Image.open(io.BytesIO(content)) as image:
            assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3
        sizes[quality] = len(content)
    assert sizes[40] < sizes[None]


@pytest.mark.parametrize("name", ["JPEG", "BMP"])
def test_grey_stays_grey(rgb, name):
    result = decode(encode(still(rgb[..., :1].copy()), OutputPlan(name, ""), None), LIMIT)
    assert result.header.channels == 1
    assert np.abs(result.frames[0].astype(int) - rgb[..., :1]).max() <= 6


def test_pages_of_a_tiff_are_written_as_pages(dark16):
    header = Header("TIFF", 30, 20, 4, 16, 3)
    picture = Picture(header, (dark16, dark16 + 1, dark16 + 2), (), None, Metadata(xmp=b"<x/>"))
    result = decode(encode(picture, OutputPlan("TIFF", ".tif"), None), LIMIT)
    assert result.header == header
    for page, original in zip(result.frames, picture.frames, strict=True):
        np.testing.assert_array_equal(page, original)


def test_a_tiff_with_pages_and_exif_keeps_all_pages(dark16):
    exif = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x010F, 2, 6, 26) + bytes(4) + b"Maker\0"
    header = Header("TIFF", 30, 20, 4, 16, 2)
    picture = Picture(header, (dark16, dark16 + 1), (), None, Metadata(exif=exif))
    result = decode(encode(picture, OutputPlan("TIFF", ".tif"), None), LIMIT)
    assert result.header.frames == 2
    assert b"Maker" in result.metadata.exif
    np.testing.assert_array_equal(result.frames[1], dark16 + 1)


def test_sixteen_bits_round_to_the_nearest_of_eight():
    wide = np.array([0, 128, 129, 257, 32767, 65406, 65407, 65535], np.uint16).reshape(1, 8, 1)
    assert to_eight_bits(wide).ravel().tolist() == [0, 0, 1, 1, 127, 254, 255, 255]
