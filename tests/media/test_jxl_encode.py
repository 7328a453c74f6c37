"""JPEG XL is written so that other programs read the same pixels, colours and EXIF."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from esc_cli.media import jxl
from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan
from esc_cli.media.jxl_header import read_header
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Header, Metadata, Picture, Truncation, to_eight_bits

pytest.importorskip("OpenImageIO")
LIMIT = 10**6
PLAN = OutputPlan("JXL", ".jxl")
EXIF = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x010F, 2, 6, 26) + bytes(4) + b"Maker\0"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def swapped_profile() -> bytes:
    """A profile in which red means blue."""
    return SRGB.replace(b"rXYZ", b"????").replace(b"bXYZ", b"rXYZ").replace(b"????", b"bXYZ")


def drawn(kind: type, channels: int) -> np.ndarray:
    top = int(np.iinfo(kind).max)
    return np.random.default_rng(2).integers(0, top, (21, 35, channels), kind, endpoint=True)


def picture_of(pixels: np.ndarray, **metadata: object) -> Picture:
    size = pixels.shape[1], pixels.shape[0], pixels.shape[2]
    header = Header("PNG", *size, 8 * pixels.itemsize, 1)
    return Picture(header, (pixels,), (), None, Metadata(**metadata))


def start_of(content: bytes) -> bytes:
    return jxl._Boxes(content, Truncation()).start


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_are_those_of_the_result_and_called_srgb(kind, channels):
    pixels = drawn(kind, channels)
    content = encode(picture_of(pixels), PLAN, None)
    again = decode(content, LIMIT)
    stored = pixels if channels != 2 else pixels[..., [0, 0, 0, 1]]
    np.testing.assert_array_equal(again.frames[0], stored)
    other = imagecodecs.jpegxl_decode(content)
    np.testing.assert_array_equal(other.reshape(stored.shape), stored)
    header = read_header(start_of(content))
    assert header.colour == (1, 13)
    assert header.bits == 8 * pixels.itemsize
    assert not header.xyb
    assert again.notes == ()


def test_a_quality_below_100_is_lossy_and_smaller(rgb):
    exact = encode(picture_of(rgb), PLAN, None)
    assert encode(picture_of(rgb), PLAN, 100) == exact
    lossy = encode(picture_of(rgb), PLAN, 60)
    assert read_header(start_of(lossy)).xyb
    assert 0 < np.abs(decode(lossy, LIMIT).frames[0].astype(int) - rgb).mean() < 8


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_profile_that_fits_is_kept_byte_by_byte(channels):
    profile = swapped_profile()
    if channels == 1:
        profile = SRGB[:16] + b"GRAY" + SRGB[20:].replace(b"rTRC", b"kTRC", 1)
    picture = picture_of(drawn(np.uint16, channels), icc=profile)
    again = decode(encode(picture, PLAN, None), LIMIT)
    assert again.metadata.icc == profile
    np.testing.assert_array_equal(again.frames[0], picture.frames[0])
    assert lost(picture, "JXL") == ()


def in_srgb(pixels: np.ndarray, profile: bytes) -> np.ndarray:
    """As Little CMS converts them, in levels of 255."""
    image = Image.fromarray(to_eight_bits(pixels))
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    return np.asarray(ImageCms.profileToProfile(image, source, target), float)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_lossy_file_with_a_profile_comes_in_as_srgb(kind):
    profile = SRGB.replace(struct.pack(">i", round(2.4 * 65536)), struct.pack(">i", 2 * 65536))
    rows, columns = np.mgrid[0:32, 0:48]
    pixels = np.stack([columns * 5, rows * 4, rows + columns], axis=2)
    pixels = (pixels * (np.iinfo(kind).max // 255)).astype(kind)
    content = encode(picture_of(pixels, icc=profile), PLAN, 97)
    header = read_header(start_of(content))
    assert header.profiled
    assert header.xyb
    picture = decode(content, LIMIT)
    assert picture.frames[0].dtype == kind
    found = to_eight_bits(picture.frames[0]).astype(float)
    assert np.abs(found - in_srgb(pixels, profile)).mean() < 2
    assert len(np.unique(found[..., 0])) > 40  # eight bits of linear light would be about 25
    assert picture.metadata.icc is None
    assert picture.notes == ("its colour profile became sRGB: colours beyond that are cut off",)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_opacity_of_a_lossy_file_with_a_profile_is_exact(kind):
    profile = SRGB.replace(struct.pack(">i", round(2.4 * 65536)), struct.pack(">i", 2 * 65536))
    rows, columns = np.mgrid[0:32, 0:48]
    top = np.iinfo(kind).max // 255
    colours = np.stack([columns * 5, rows * 4, rows + columns], axis=2)
    pixels = (np.dstack([colours, 255 - columns * 5]) * top).astype(kind)
    pixels[:8, :, 3], pixels[8:16, :, 3] = 0, 255 * top
    content = encode(picture_of(pixels, icc=profile), PLAN, 97)
    header = read_header(start_of(content))
    assert header.profiled
    assert header.xyb
    picture = decode(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0][..., 3], pixels[..., 3])
    found = to_eight_bits(picture.frames[0]).astype(float)[16:, :, :3]
    assert np.abs(found - in_srgb(pixels[16:, :, :3].copy(), profile)).mean() < 2


def test_a_lossy_file_with_primaries_of_its_own_comes_in_with_a_profile_of_them():
    rows, columns = np.mgrid[0:32, 0:48]
    pixels = np.stack([columns * 5, rows * 4, rows + columns], axis=2).astype(np.uint8)
    content = encode(picture_of(pixels, icc=swapped_profile()), PLAN, 97)
    header = read_header(start_of(content))
    assert (header.profiled, header.colour, header.xyb) == (False, None, True)
    picture = decode(content, LIMIT)
    found = in_srgb(picture.frames[0], picture.metadata.icc)
    assert np.abs(found - pixels[..., ::-1]).mean() < 3


@pytest.mark.parametrize("code", [(12, 13), (9, 16), (9, 18), (1, 8), (11, 17)])
def test_colour_by_numbers_is_kept(code):
    colour = ((b"cICP", bytes((*code, 0, 1))),)
    picture = picture_of(drawn(np.uint16, 3), png_colour=colour)
    again = decode(encode(picture, PLAN, None), LIMIT)
    assert again.metadata.png_colour == colour
    assert lost(picture, "JXL") == ()


@pytest.mark.parametrize("code", [(5, 6), (9, 14)])
def test_colour_that_has_no_name_in_jpeg_xl_is_told(code):
    picture = picture_of(drawn(np.uint8, 3), png_colour=((b"cICP", bytes((*code, 0, 1))),))
    assert encode(picture, PLAN, None)
    assert lost(picture, "JXL") == (
        "left out: its colour space (cICP or nclx), which JXL does not hold",
    )


def test_exif_and_xmp_are_in_boxes_and_nothing_else_is(rgb):
    content = encode(picture_of(rgb, exif=EXIF, xmp=b"<x/>"), PLAN, None)
    again = decode(content, LIMIT)
    assert b"Maker" in again.metadata.exif
    assert again.metadata.xmp == b"<x/>"
    assert content.count(b"Exif") == 1
    assert b"brob" not in content
    assert b"OpenImageIO" not in content
    assert content == encode(picture_of(rgb, exif=EXIF, xmp=b"<x/>"), PLAN, None)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_floating_point_samples_come_in_as_linear_light(channels):
    pixels = np.random.default_rng(1).random((20, 30, channels), np.float32)
    flat = pixels[..., 0] if channels == 1 else pixels
    picture = decode(imagecodecs.jpegxl_encode(flat, lossless=True), LIMIT)
    assert picture.header == Header("JXL", 30, 20, channels, 32, 1)
    light = pixels.copy()
    light[..., :3] *= pixels[..., 3:] if channels == 4 else 1
    np.testing.assert_array_equal(picture.frames[0], light)
