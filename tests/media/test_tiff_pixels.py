"""TIFF pages as others read them: alpha, signs, orientation, planes, byte counts; cut ones fail."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6


def tiff(pixels_bytes: bytes, size: tuple[int, int], *more: tuple[int, int, tuple[int, ...]]):
    """A little-endian page of one strip; `more` are (tag, type, numbers) beside or instead."""
    width, height = size
    tags = {
        256: (4, (width,)), 257: (4, (height,)), 258: (3, (8,)), 259: (3, (1,)), 262: (3, (1,)),
        273: (4, (8,)), 277: (3, (1,)), 278: (4, (height,)), 279: (4, (len(pixels_bytes),)),
    }  # fmt: skip
    tags |= {tag: (kind, numbers) for tag, kind, numbers in more}
    at = 8 + len(pixels_bytes) + len(pixels_bytes) % 2
    heap_at, table, heap = at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, (kind, numbers) in sorted(tags.items()):
        letter = {1: "B", 3: "H", 4: "I", 7: "B"}[kind]
        value = struct.pack(f"<{len(numbers)}{letter}", *numbers)
        if len(value) > 4:
            heap += value.ljust(len(value) + len(value) % 2, b"\0")
            value = struct.pack("<I", heap_at + len(heap) - len(value) - len(value) % 2)
        table += struct.pack("<HHI", tag, kind, len(numbers)) + value.ljust(4, b"\0")
    head = b"II*\0" + struct.pack("<I", at) + pixels_bytes + b"\0" * (len(pixels_bytes) % 2)
    return head + struct.pack("<H", len(tags)) + table + bytes(4) + heap


@pytest.mark.parametrize("kind", [np.int8, np.int16])
def test_signed_samples_are_refused_by_name(kind):
    target = io.BytesIO()
    tifffile.imwrite(target, np.zeros((4, 4), kind))
    with pytest.raises(UnsupportedError, match="signed samples"):
        probe(target.getvalue(), LIMIT)


def test_a_fourth_sample_that_nothing_is_said_of_is_alpha(rgba):
    content = tiff(rgba.tobytes(), (30, 20), (258, 3, (8, 8, 8, 8)), (262, 3, (2,)), (277, 3, (4,)))
    picture = decode(content, LIMIT)
    assert picture.header.channels == 4
    np.testing.assert_array_equal(picture.frames[0], rgba)


def test_a_second_sample_of_grey_that_nothing_is_said_of_is_alpha():
    pixels = np.arange(32, dtype=np.uint8).reshape(4, 4, 2)
    content = tiff(pixels.tobytes(), (4, 4), (258, 3, (8, 8)), (277, 3, (2,)))
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], pixels)


@pytest.mark.parametrize("kind", [1, 3, 4, 7])
@pytest.mark.parametrize("direct", [True, False])
def test_an_orientation_of_any_type_turns_the_picture(kind, direct):
    pixels = np.arange(0, 240, 20, dtype=np.uint8).reshape(3, 4)
    more = [(274, kind, (6,))]
    if not direct:
        more += [(262, 3, (3,)), (320, 3, tuple(257 * (n % 256) for n in range(768)))]
    content = tiff(pixels.tobytes(), (4, 3), *more)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0][..., 0], np.rot90(pixels, -1))


def test_byte_counts_beyond_the_file_do_no_harm_without_compression(rgb):
    rgb_tags = (258, 3, (8, 8, 8)), (262, 3, (2,)), (277, 3, (3,))
    content = tiff(rgb.tobytes(), (30, 20), *rgb_tags, (279, 4, (10**8,)))
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], rgb)
    content = tiff(rgb.tobytes()[:900], (30, 20), *rgb_tags)
    with pytest.raises(ReadError, match="cut short"):
        decode(content, LIMIT)
    half = decode(content, LIMIT, allow_truncated=True)
    np.testing.assert_array_equal(half.frames[0][:10], rgb[:10])
    assert "cut short" in half.notes[0]


def test_planar_ycbcr_is_three_planes(rgb):
    planes = np.asarray(Image.fromarray(rgb).convert("YCbCr"))
    content = tiff(
        np.moveaxis(planes, 2, 0).tobytes(), (30, 20), (258, 3, (8, 8, 8)), (262, 3, (6,)),
        (277, 3, (3,)), (284, 3, (2,)), (530, 3, (1, 1)),
        (273, 4, (8, 608, 1208)), (279, 4, (600, 600, 600)),
    )  # fmt: skip
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert np.abs(picture.frames[0].astype(int) - rgb).max() <= 3  # the rounding of both ways


@pytest.mark.parametrize("compression", ["jpeg", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("cover", [b"\0", b"\x5a"])
def test_a_compressed_tiff_whose_middle_is_lost_is_a_failure(save, compression, mode, cover):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    content = save(Image.fromarray(noise).convert(mode), "TIFF", compression=compression)
    with tifffile.TiffFile(io.BytesIO(content)) as opened:
        page = opened.pages[0]
        start, size = page.dataoffsets[-1], page.databytecounts[-1]
    lost = size // 2
    end = b"\xff\xd9" if compression == "jpeg" else b""
    covered = bytearray(content)
    covered[start + lost : start + size] = end.ljust(size - lost, cover)
    with pytest.raises(ReadError):
        decode(bytes(covered), LIMIT)


@pytest.mark.parametrize("big", [False, True])
def test_a_colour_map_of_8_bits_in_16_is_no_black_picture(big):
    rng = np.random.default_rng(0)
    indices, colours = rng.integers(0, 256, (8, 9), np.uint8), rng.integers(0, 256, (3, 256))
    for factor in (1, 257):
        target = io.BytesIO()
        tifffile.imwrite(
            target,
            indices,
            bigtiff=big,
            photometric="palette",
            colormap=(colours * factor).astype(np.uint16),
        )
        frame = decode(target.getvalue(), LIMIT).frames[0]
        np.testing.assert_array_equal(frame, np.moveaxis(colours[:, indices], 0, 2))


def test_kinds_that_pillow_does_not_identify_are_not_called_damaged():
    target = io.BytesIO()
    tifffile.imwrite(target, np.zeros((8, 8, 3), np.uint8), photometric="icclab")
    with pytest.raises(UnsupportedError, match=r"8 bits per channel \(ICCLAB\) is not supported"):
        decode(target.getvalue(), LIMIT)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_tags_of_a_bigtiff_are_kept_like_those_of_a_tiff(order):
    blocks = []
    for big in (False, True):
        target = io.BytesIO()
        tifffile.imwrite(
            target,
            np.zeros((8, 8, 3), np.uint8),
            photometric="rgb",
            bigtiff=big,
            byteorder=order,
            description="a lighthouse",
            datetime="2020:01:02 03:04:05",
            extratags=[(315, 2, None, "me", True), (65000, 16 if big else 4, 1, 7, True)],
        )
        blocks.append(decode(target.getvalue(), LIMIT).metadata.exif)
    assert b"a lighthouse" in blocks[0]
    assert blocks[0] == blocks[1]


def packed(samples: np.ndarray, bits: int) -> bytes:
    """Rows (H, N) of numbers, most significant bit first, each row from a whole byte on."""
    made = b""
    for row in samples.reshape(len(samples), -1):
        digits = "".join(f"{int(number):0{bits}b}" for number in row)
        digits += "0" * (-len(digits) % 8)
        made += int(digits, 2).to_bytes(len(digits) // 8, "big")
    return made


@pytest.mark.parametrize("bits", range(2, 16))
@pytest.mark.parametrize(("channels", "photometric"), [(1, 1), (1, 0), (3, 2), (4, 2)])
def test_every_depth_up_to_16_bits_is_spread_over_8_or_16(bits, channels, photometric):
    most = 2**bits - 1
    samples = np.random.default_rng(bits).integers(0, most + 1, (5, 7, channels))
    samples[0, 0], samples[0, 1] = 0, most
    content = tiff(
        packed(samples, bits),
        (7, 5),
        (258, 3, (bits,) * channels),
        (262, 3, (photometric,)),
        (277, 3, (channels,)),
    )
    picture = decode(content, LIMIT)
    top = 255 if bits <= 8 else 65535
    expected = np.floor(samples * top / most + 0.5).astype(int)
    assert picture.header == probe(content, LIMIT)
    assert picture.header.bits == (8 if bits <= 8 else 16)
    np.testing.assert_array_equal(picture.frames[0], expected if photometric else top - expected)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_rows_of_twelve_bits_that_are_missing_are_a_failure(share):
    content = packed(np.full((16, 7, 3), 4095), 12)
    page = ((258, 3, (12, 12, 12)), (262, 3, (2,)), (277, 3, (3,)), (279, 4, (len(content),)))
    start = len(tiff(b"", (7, 16), *page))
    whole = tiff(b"", (7, 16), *page, (273, 4, (start,))) + content
    assert decode(whole, LIMIT).frames[0].min() == 65535
    with pytest.raises(ReadError, match="cut short"):
        decode(whole[: start + int(len(content) * share)], LIMIT)


@pytest.mark.parametrize("compression", [1, 5, 32773])
def test_chroma_of_a_lower_resolution_without_jpeg_is_refused_by_name(compression):
    ycbcr = ((258, 3, (8, 8, 8)), (262, 3, (6,)), (277, 3, (3,)), (530, 3, (2, 2)))
    content = tiff(bytes(4 * 4 // 4 * 6), (4, 4), *ycbcr, (259, 3, (compression,)))
    with pytest.raises(UnsupportedError, match="chroma of a lower resolution"):
        probe(content, LIMIT)


@pytest.mark.parametrize("compression", [2, 3, 4])
def test_colours_of_one_bit_as_fax_are_refused_by_name(compression):
    page = ((258, 3, (1, 1, 1)), (262, 3, (2,)), (277, 3, (3,)), (259, 3, (compression,)))
    with pytest.raises(UnsupportedError, match="1 bits per channel"):
        probe(tiff(bytes(40), (8, 8), *page), LIMIT)


def test_differences_of_twelve_bits_are_refused_by_name():
    page = ((258, 3, (12,)), (317, 3, (2,)))
    with pytest.raises(UnsupportedError, match="12 bits per channel"):
        probe(tiff(bytes(12), (4, 2), *page), LIMIT)


@pytest.mark.parametrize("kind", ["unassalpha", "assocalpha"])
def test_inks_with_opacity_keep_both(kind):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 8, 5), np.uint8)
    stored = pixels.copy()
    if kind == "assocalpha":
        pixels[..., 4] = np.arange(48).reshape(6, 8) % 2 * 255
        pixels[pixels[..., 4] == 0] = 0
        stored = pixels
    target = io.BytesIO()
    tifffile.imwrite(
        target, stored, photometric="separated", extrasamples=[kind],
        compression="zlib", predictor=True,
    )  # fmt: skip
    picture = decode(target.getvalue(), LIMIT)
    assert picture.header == probe(target.getvalue(), LIMIT)
    inks = Image.fromarray(pixels[..., :4].copy(), "CMYK")
    np.testing.assert_array_equal(picture.frames[0][..., :3], np.asarray(inks.convert("RGB")))
    np.testing.assert_array_equal(picture.frames[0][..., 3], pixels[..., 4])


def test_inks_multiplied_by_opacity_are_divided_by_it():
    pixels = np.array([[[60, 30, 0, 90, 120], [0, 0, 0, 0, 0]]], np.uint8)
    target = io.BytesIO()
    tifffile.imwrite(
        target, pixels, photometric="separated", extrasamples=["assocalpha"], planarconfig="contig"
    )
    inks = Image.fromarray(np.array([[[128, 64, 0, 191], [0] * 4]], np.uint8), "CMYK")
    frame = decode(target.getvalue(), LIMIT).frames[0]
    np.testing.assert_array_equal(frame[..., :3], np.asarray(inks.convert("RGB")))


@pytest.mark.parametrize("photometric", ["rgb", "separated"])
def test_samples_without_a_meaning_are_refused_and_not_made_grey(photometric):
    target = io.BytesIO()
    samples = np.full((6, 8, 3 if photometric == "rgb" else 4), 90, np.uint8)
    tifffile.imwrite(target, samples, photometric=photometric, metadata=None)
    content = target.getvalue()
    entry = content.index(struct.pack("<HHI", 262, 3, 1))
    lacking = content[:entry] + struct.pack("<H", 263) + content[entry + 2 :]
    with pytest.raises(UnsupportedError, match="what its samples mean"):
        probe(lacking, LIMIT)
