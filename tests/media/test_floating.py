"""Floating-point TIFFs keep every number; other formats get what a screen shows of them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import tifffile
from floats import light
from PIL import Image, ImageCms

from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.floating import srgb_curve, srgb_light
from esc_cli.media.formats import OutputPlan
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Header, Metadata, Picture

LIMIT = 10**6


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    target = io.BytesIO()
    with tifffile.TiffWriter(target, byteorder=options.pop("byteorder", "<")) as writer:
        photometric = "rgb" if pixels.ndim == 3 and pixels.shape[2] > 2 else "minisblack"
        writer.write(pixels, **({"photometric": photometric} | options))
    return target.getvalue()


def picture_of(pixels: np.ndarray, **metadata: object) -> Picture:
    header = Header("TIFF", pixels.shape[1], pixels.shape[0], pixels.shape[2], 32, 1)
    return Picture(header, (pixels,), (), None, Metadata(**metadata))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "zlib", "predictor": True},
        {"compression": "lzw", "tile": (16, 16)},
        {"rowsperstrip": 3},
    ],
)
def test_every_width_and_layout_comes_in_exactly(kind, byteorder, options):
    pixels = light()
    content = tiff(pixels.astype(kind), byteorder=byteorder, **options)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT) == Header("TIFF", 30, 20, 3, 32, 1)
    np.testing.assert_array_equal(picture.frames[0], pixels)
    wide = ("its 64 bits per sample become floating-point numbers of 32",)
    assert picture.notes == (wide if kind == np.float64 else ())


def test_planes_pages_and_grey_are_read():
    pixels = light()
    apart = tiff(np.moveaxis(pixels, 2, 0), planarconfig="separate", photometric="rgb")
    np.testing.assert_array_equal(decode(apart, LIMIT).frames[0], pixels)
    stack = np.moveaxis(pixels, 2, 0)
    pages = tiff(stack, photometric="minisblack")
    assert probe(pages, LIMIT) == Header("TIFF", 30, 20, 1, 32, 3)
    np.testing.assert_array_equal(np.stack(decode(pages, LIMIT).frames)[..., 0], stack)


@pytest.mark.parametrize(("kind", "factor"), [("unassalpha", 0.5), ("assocalpha", 1)])
def test_colour_is_multiplied_by_alpha_once(kind, factor):
    pixels = light(4)
    pixels[..., 3] = 0.5
    frame = decode(tiff(pixels, extrasamples=[kind]), LIMIT).frames[0]
    np.testing.assert_array_equal(frame[..., :3], pixels[..., :3] * np.float32(factor))
    np.testing.assert_array_equal(frame[..., 3], pixels[..., 3])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_float_tiff_is_written_without_a_loss(channels):
    pixels = light(channels)
    if channels in (2, 4):
        pixels[..., -1] = np.linspace(0, 1, 30)
    content = encode(picture_of(pixels, xmp=b"<x/>"), OutputPlan("TIFF", ".tif"), None)
    again = decode(content, LIMIT)
    np.testing.assert_array_equal(again.frames[0], pixels)
    assert again.metadata.xmp == b"<x/>"
    assert tifffile.imread(io.BytesIO(content)).dtype == np.float32


def test_other_formats_get_what_a_screen_shows_and_say_so():
    ramp = np.linspace(-0.5, 2, 64, dtype=np.float32).reshape(4, 16, 1)
    picture = picture_of(ramp)
    content = encode(picture, OutputPlan("PNG", ".png"), None)
    shown = decode(content, LIMIT)
    assert shown.header.bits == 16
    expected = np.rint(srgb_curve(ramp.clip(0, 1)) * 65535)
    np.testing.assert_array_equal(shown.frames[0], expected)
    assert lost(picture, "PNG") == (
        "its 32 bits per channel become 16",
        "what is below 0 or above 1 is cut off, and linear light becomes sRGB",
    )
    assert lost(picture, "TIFF") == ()
    eight = np.asarray(Image.open(io.BytesIO(encode(picture, OutputPlan("BMP", ".bmp"), None))))
    np.testing.assert_allclose(eight, expected[..., 0] / 257, atol=0.51)


def test_a_profile_has_the_curve_by_itself():
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = light().clip(0, 1)
    shown = decode(encode(picture_of(pixels, icc=profile), OutputPlan("PNG", ""), None), LIMIT)
    np.testing.assert_array_equal(shown.frames[0], np.rint(pixels * 65535))
    assert shown.metadata.icc == profile


def test_alpha_is_straight_again_where_it_is_shown():
    pixels = np.full((4, 4, 4), 0.25, np.float32)
    pixels[..., 3] = 0.5
    pixels[0] = 0
    shown = decode(encode(picture_of(pixels), OutputPlan("PNG", ""), None), LIMIT).frames[0]
    half = round(float(srgb_curve(np.float32(0.5))) * 65535)
    assert shown[1, 1].tolist() == [half, half, half, 32768]
    assert shown[0, 0].tolist() == [0, 0, 0, 0]


def test_the_curve_of_srgb_is_turned_back():
    ramp = np.linspace(0, 1, 1001, dtype=np.float32)
    np.testing.assert_allclose(srgb_light(srgb_curve(ramp)), ramp, atol=1e-6)
    # IEC 61966-2-1: half of the light is stored as about 188 of 255.
    assert abs(float(srgb_curve(np.float32(0.5))) * 255 - 187.516) < 0.01
