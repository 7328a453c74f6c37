"""AVIF and HEIC of 10 and 12 bits per channel: read, enlarged and written at their depth."""

from __future__ import annotations

import io
import struct
from dataclasses import replace

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from avifs import with_property

from esc_cli.errors import TooLargeError, UnsupportedError
from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Header, Metadata, Picture

EXIF = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x06\0\0\0\x1a\0\0\0\0\0\0\0Canon\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
ICC = bytes(16) + b"RGB " + bytes(108)
RAMP = np.linspace(0, 65535, 48 * 64 * 4).reshape(48, 64, 4).astype(np.uint16)
BOTH = pytest.mark.parametrize("name", ["AVIF", "HEIF"])


def deep(name: str, bits: int, channels: int = 3, **metadata: object) -> bytes:
    header = Header(name, 64, 48, channels, 16, 1, bits)
    frames = (np.ascontiguousarray(RAMP[..., :channels]),)
    picture = Picture(header, frames, (), None, Metadata(**metadata))
    return encode(picture, OutputPlan(name, ""), 95)


@BOTH
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_10_and_12_bits_stay_through_decoding_and_encoding(name, bits, channels):
    content = deep(name, bits, channels, exif=EXIF, xmp=XMP, icc=ICC)
    picture = decode(content, 10**6)
    assert picture.header == Header(name, 64, 48, channels, 16, 1, bits)
    assert picture.notes == lost(picture, name) == lost(picture, "PNG") == ()
    metadata = picture.metadata
    assert (metadata.exif, metadata.xmp, metadata.icc) == (EXIF, XMP, ICC)
    (frame,) = picture.frames
    assert frame.dtype == np.uint16
    steps = np.unique(frame[..., 0]).size
    assert steps > 400  # 8 bits would leave 256
    assert np.abs(frame.astype(int) - RAMP[..., :channels]).mean() < 2 * 65535 / 2**bits


def test_other_decoders_agree_about_the_depth_and_the_blocks():
    avif = deep("AVIF", 12, exif=EXIF, xmp=XMP, icc=ICC)
    assert imagecodecs.avif_decode(avif).max() > 4000
    heic = pillow_heif.open_heif(deep("HEIF", 12, exif=EXIF), convert_hdr_to_8bit=False)
    assert heic.info["bit_depth"] == 12


@BOTH
def test_white_and_opaque_are_the_maximum(name):
    white = np.full((16, 16, 4), 65535, np.uint16)
    white[:8, :, 3] = 0
    picture = Picture(Header(name, 16, 16, 4, 16, 1, 10), (white,), (), None, Metadata())
    frame = decode(encode(picture, OutputPlan(name, ""), 95), 10**6).frames[0]
    assert (frame[10:, :, 3] == 65535).all()
    assert (frame[:6, :, 3] == 0).all()
    assert frame[10:, :, :3].min() > 65000


def test_8_bits_of_jpeg_and_webp_are_named():
    picture = decode(deep("AVIF", 10), 10**6)
    for name in ("JPEG", "WEBP", "BMP", "GIF"):
        assert "its 10 bits per channel become 8" in lost(picture, name)
    sixteen = replace(picture, header=replace(picture.header, format="PNG", coded_bits=None))
    assert lost(sixteen, "AVIF") == ("its 16 bits per channel become 12",)
    assert lost(sixteen, "HEIF") == ("its 16 bits per channel become 10",)


@BOTH
def test_the_colour_space_stays_in_avif_heif_and_png(name):
    coded = ((b"cICP", bytes((9, 16, 0, 1))),)
    picture = decode(deep(name, 10, png_colour=coded), 10**6)
    assert picture.metadata.png_colour == coded
    eight = replace(
        picture, header=Header(name, 64, 48, 3, 8, 1), frames=(np.zeros((48, 64, 3), np.uint8),)
    )
    for other in ("AVIF", "HEIF", "PNG"):
        for one in (picture, eight):
            back = decode(encode(one, OutputPlan(other, ""), None), 10**6)
            assert back.metadata.png_colour == coded
            assert lost(one, other) == ()
    assert lost(eight, "WEBP") == (
        "left out: its colour space (cICP or nclx), which WEBP does not hold",
    )


def test_grey_of_10_bits_is_read():
    content = io.BytesIO()
    pillow_heif.from_bytes("I;16", (64, 48), RAMP[..., 0].tobytes()).save(content)
    picture = decode(content.getvalue(), 10**6)
    assert picture.header == Header("HEIF", 64, 48, 1, 16, 1, 10)
    assert np.abs(picture.frames[0][..., 0].astype(int) - RAMP[..., 0]).mean() < 200
    avif = imagecodecs.avif_encode(RAMP[..., 0] >> 6, bitspersample=10)
    frame = decode(avif, 10**6).frames[0]
    assert frame.shape == (48, 64, 1)


def test_a_turned_avif_of_10_bits_comes_upright():
    content = deep("AVIF", 10)
    turned = with_property(content, b"irot", b"\1")  # a quarter anticlockwise
    flat, upright = decode(content, 10**6), decode(turned, 10**6)
    assert (upright.header.width, upright.header.height) == (48, 64)
    np.testing.assert_array_equal(upright.frames[0], np.rot90(flat.frames[0]))


def test_a_turned_heic_of_10_bits_comes_upright():
    source = pillow_heif.from_bytes("RGB;16", (64, 48), RAMP[..., :3].tobytes())
    target = io.BytesIO()
    turned = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    source.save(target, bit_depth=10, quality=95, exif=turned)
    picture = decode(target.getvalue(), 10**6)
    assert (picture.header.width, picture.header.height) == (48, 64)
    expected = np.rot90(RAMP[..., :3], -1)
    assert np.abs(picture.frames[0].astype(int) - expected).mean() < 100


@BOTH
def test_the_limit_of_pixels_holds(name):
    for read in (probe, decode):
        with pytest.raises(TooLargeError):
            read(deep(name, 10), 64 * 48 - 1)


@pytest.mark.parametrize(
    ("item", "configuration", "words"),
    [
        (b"unci", b"uncC", "uncompressed samples"),
        (b"vvc1", b"vvcC", "H.266"),
        (b"jpeg", b"jpgC", "JPEG"),
        (b"av01", b"av1C", "AV1"),
    ],
)
def test_codecs_that_are_not_read_are_named(item, configuration, words):
    content = deep("HEIF", 10).replace(b"hvc1", item).replace(b"hvcC", configuration)
    with pytest.raises(UnsupportedError, match=f"HEIF with {words} is not supported"):
        probe(content, 10**6)


def test_an_avif_beyond_its_decoder_is_too_large():
    content = deep("AVIF", 10)
    stated = content.replace(struct.pack(">II", 64, 48), struct.pack(">II", 17000, 17000))
    with pytest.raises(TooLargeError, match="17000 x 17000"):
        probe(stated, 10**9)


def test_a_mini_box_is_named():
    with pytest.raises(UnsupportedError, match="brand mif3"):
        probe(b"\0\0\0\x10ftypmif3avif" + bytes(500), 10**6)


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        (b"urn:com:apple:photo:2020:aux:hdrgainmap\0", "its gain map (HDR)"),
        (b"urn:mpeg:mpegB:cicp:systems:auxiliary:depth\0", "its depth map"),
    ],
)
def test_what_lies_beside_the_picture_is_named(uri, what):
    content = with_property(deep("AVIF", 10), b"auxC", b"\0\0\0\0" + uri)
    assert decode(content, 10**6).notes == (f"left out: {what}",)


@BOTH
def test_light_levels_stay_and_are_named_where_they_cannot(name):
    display = struct.pack(">8H2I", *range(1000, 9000, 1000), 10_000_000, 50)
    levels = ((b"mDCV", display), (b"cLLI", struct.pack(">II", 10_000_000, 4_000_000)))
    picture = decode(deep(name, 10, png_colour=levels), 10**6)
    assert picture.metadata.png_colour == levels
    with_profile = decode(deep(name, 10, png_colour=levels, icc=ICC), 10**6)
    assert (with_profile.metadata.png_colour, with_profile.metadata.icc) == (levels, ICC)
    back = decode(encode(picture, OutputPlan("PNG", ""), None), 10**6)
    assert dict(back.metadata.png_colour) == dict(levels)
    assert "left out: its light levels (HDR), which JPEG does not hold" in lost(picture, "JPEG")
