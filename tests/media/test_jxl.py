"""JPEG XL is read as libjxl decodes it."""

from __future__ import annotations

import contextlib
import struct

import imagecodecs
import numpy as np
import pytest

from esc_cli.errors import EscError, ReadError, TooLargeError, UnsupportedError
from esc_cli.media import jxl_header
from esc_cli.media.compression import compression_of
from esc_cli.media.decode import decode, probe
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.metadata import upright
from esc_cli.media.picture import Header

LIMIT = 10**6
XMP = b'<x tiff:Orientation="6"/>'


def boxed(pixels: np.ndarray, *boxes: tuple[bytes, bytes]) -> bytes:
    content = imagecodecs.jpegxl_encode(pixels, lossless=True, usecontainer=True)
    made = (struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in boxes)
    return content + b"".join(made)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("container", [True, False])
def test_every_kind_of_pixel_comes_out_exactly(kind, channels, container):
    top = np.iinfo(kind).max
    pixels = np.random.default_rng(1).integers(0, top, (21, 35, channels)).astype(kind)
    flat = pixels[..., 0] if channels == 1 else pixels
    content = imagecodecs.jpegxl_encode(flat, lossless=True, usecontainer=container)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header == Header("JXL", 35, 21, channels, 8 * pixels.itemsize, 1)
    np.testing.assert_array_equal(picture.frames[0], pixels)
    assert picture.notes == ()
    # Of 16 bits this encoder says that they are linear light.
    linear = ((b"cICP", b"\1\x08\0\1"),)
    assert picture.metadata.png_colour == (linear if kind == np.uint16 else ())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 64), (8, 16), (20, 30), (300, 9000), (90, 120), (1, 1)])
def test_sizes_are_read_in_each_form_of_the_header(size):
    content = imagecodecs.jpegxl_encode(np.zeros((*size, 3), np.uint8))
    header = probe(content, 10**7)
    assert (header.height, header.width) == size


def test_lossy_and_odd_depths_are_read(rgb):
    lossy = decode(imagecodecs.jpegxl_encode(rgb, level=95), LIMIT)
    assert np.abs(lossy.frames[0].astype(int) - rgb).mean() < 4
    wide = rgb.astype(np.uint16) * 257
    deep = decode(imagecodecs.jpegxl_encode(wide, level=98), LIMIT).frames[0]
    assert np.abs(deep.astype(int) - wide).mean() < 4 * 257
    ramp = (np.arange(20 * 30 * 3).reshape(20, 30, 3) % 1024).astype(np.uint16)
    ten = decode(imagecodecs.jpegxl_encode(ramp, lossless=True, bitspersample=10), LIMIT)
    assert ten.header.bits == 16
    assert ten.frames[0].max() == 65535
    np.testing.assert_array_equal(np.rint(ten.frames[0] / 65535 * 1023).astype(int), ramp)


def test_exif_and_xmp_come_from_their_boxes_and_turn_nothing(rgb, save):
    exif = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)
    plain = boxed(rgb, (b"Exif", bytes(4) + exif), (b"xml ", XMP))
    packed = boxed(rgb, (b"brob", b"xml " + imagecodecs.brotli_encode(XMP)))
    picture = decode(plain, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], rgb)
    assert picture.metadata.exif == exif.replace(b"\0\6\0\0", b"\0\1\0\0")
    for content in (plain, packed):
        assert decode(content, LIMIT).metadata.xmp == XMP.replace(b"6", b"1")


def test_what_cannot_be_done_is_refused_by_name(rgb):
    moving = imagecodecs.jpegxl_encode(np.stack([rgb, 255 - rgb]), lossless=True)
    with pytest.raises(UnsupportedError, match="animated JPEG XL"):
        probe(moving, LIMIT)
    planes = np.stack([rgb[..., 0]] * 3)
    further = imagecodecs.jpegxl_encode(planes, lossless=True, planar=True, photometric="gray")
    with pytest.raises(UnsupportedError, match="beside colour and opacity"):
        probe(further, LIMIT)


@pytest.mark.parametrize("container", [True, False])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_one_that_is_cut_short_is_an_error(share, container, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = imagecodecs.jpegxl_encode(noise, lossless=True, usecontainer=container)
    with pytest.raises(ReadError):
        decode(content[: int(len(content) * share)], LIMIT)
    assert capfd.readouterr() == ("", "")


def test_what_a_file_lost_is_told_by_its_mode(rgb):
    for options, lost in (({"lossless": True}, False), ({"level": 60}, True)):
        content = imagecodecs.jpegxl_encode(rgb, **options)
        found = compression_of(content, probe(content, LIMIT))
        assert (found.bits_per_pixel is not None) == lost


def test_flipped_bits_raise_nothing_but_our_errors(rgb, capfd):
    random, content = np.random.default_rng(3), boxed(rgb, (b"xml ", XMP))
    for _ in range(60):
        damaged = bytearray(content)
        damaged[random.integers(0, len(content))] ^= 1 << random.integers(0, 8)
        with contextlib.suppress(EscError):
            decode(bytes(damaged), LIMIT)
    assert capfd.readouterr() == ("", "")


def test_the_limit_counts_before_decoding(rgb):
    content = imagecodecs.jpegxl_encode(rgb)
    with pytest.raises(TooLargeError, match="--max-pixels"):
        decode(content, 599)
    pytest.importorskip("OpenImageIO")
    assert plan_output(probe(content, 600), (60, 40), None, ".jxl") == OutputPlan("JXL", ".jxl")


def turned(codestream: bytes, orientation: int) -> bytes:
    """The same bare codestream, that is to be turned: seven bits more in its header."""
    bits = "".join(f"{byte:08b}"[::-1] for byte in codestream[2:])
    small, ratio = bits[0] == "1", bits[6:9]
    assert (small, ratio) == (True, "000"), (
        "made for sides that are multiples of 8 and no usual ratio"
    )
    metadata = 1 + 5 + 3 + 5
    assert bits[metadata : metadata + 2] == "00"  # not all by default, no extra fields
    reader = jxl_header._Bits(codestream[2:])
    reader.at = metadata + 2
    reader.depth()
    reader.read(1)
    assert reader.choice(((0, 0), (1, 0), (2, 4), (1, 12))) == 0
    reader.read(1)
    jxl_header._colour(reader)
    end = reader.at + 3  # extensions, default transform
    asked = f"{orientation - 1:03b}"[::-1] + "000"
    head = bits[: metadata + 1] + "1" + asked + bits[metadata + 2 : reader.at]
    head += "1" + bits[reader.at : end]  # tone mapping by default
    head += "0" * (-len(head) % 8)
    rest = codestream[2 + (end + 7) // 8 :]
    packed = bytes(int(head[at : at + 8][::-1], 2) for at in range(0, len(head), 8))
    return codestream[:2] + packed + rest


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_the_codestream_is_applied(orientation):
    rows, columns = np.mgrid[0:16, 0:40]
    pixels = np.stack([rows * 9, columns * 6, rows + columns], axis=2).astype(np.uint8)
    content = turned(imagecodecs.jpegxl_encode(pixels, lossless=True), orientation)
    picture = decode(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], upright(pixels, orientation))
    assert picture.header == probe(content, LIMIT)
