"""BMP with bit fields, TGA and PCX."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6


def bmp(pixels, bits, masks, size=56, upside_down=True):
    """A BMP of unsigned pixels (H, W) whose rows are stored from below, as usual."""
    height, width = pixels.shape
    stored = pixels[::-1] if upside_down else pixels
    row = width * bits // 8
    rows = b"".join(line.astype(f"<u{bits // 8}").tobytes() + bytes(-row % 4) for line in stored)
    head = struct.pack("<IiiHHI", size, width, height if upside_down else -height, 1, bits, 3)
    head += bytes(20) + struct.pack(f"<{len(masks)}I", *masks)
    head = head.ljust(max(size, 52), b"\0")
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + rows


@pytest.mark.parametrize("upside_down", [True, False])
@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (16, (0xF00, 0xF0, 0xF, 0xF000)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF, 0xC0000000)),
        (32, (0x3FF, 0xFFC00, 0x3FF00000)),
        (16, (0x1F, 0x7E0, 0xF800, 0)),
        (16, (0xE0, 0x1C, 0x3)),
    ],
)
def test_bit_fields_of_any_layout_are_read(bits, masks, upside_down):
    pixels = np.random.default_rng(0).integers(0, 2**bits, (5, 7), np.uint64)
    content = bmp(pixels, bits, masks, 56 if len(masks) == 4 else 40, upside_down)
    picture = decode(content, LIMIT)
    masks = [mask for mask in masks if mask]
    assert picture.header == probe(content, LIMIT)
    assert picture.header.channels == len(masks)
    for number, mask in enumerate(masks):
        wanted = np.rint((pixels & mask) / mask * 255)
        assert np.abs(picture.frames[0][..., number] - wanted).max() <= 1


def test_a_bmp_of_bit_fields_that_is_cut_short_is_a_failure():
    content = bmp(np.zeros((5, 7)), 16, (0xF00, 0xF0, 0xF, 0xF000))
    with pytest.raises(ReadError, match="cut short"):
        decode(content[:-4], LIMIT)


@pytest.mark.parametrize("compression", [None, "tga_rle"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P"])
def test_tga_is_read_and_never_called_a_cursor(save, rgb, mode, compression):
    source = Image.fromarray(rgb).convert(mode)
    content = save(source, "TGA", compression=compression)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header.format == "TGA"
    wanted = np.asarray(source.convert("RGB" if mode == "P" else mode)).reshape(20, 30, -1)
    np.testing.assert_array_equal(picture.frames[0], wanted)
    with pytest.raises(ReadError):
        decode(content[: len(content) // 2], LIMIT)


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_pcx_is_read(save, rgb, mode):
    source = Image.fromarray(rgb).convert(mode)
    content = save(source, "PCX")
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    wanted = np.asarray(source.convert("RGB" if mode == "P" else "L" if mode == "1" else mode))
    np.testing.assert_array_equal(picture.frames[0], wanted.reshape(20, 30, -1))


@pytest.mark.parametrize("depth", [8, 24])
def test_a_tga_may_state_the_depth_of_a_palette_that_is_not_there(save, rgb, depth):
    content = save(Image.fromarray(rgb), "TGA")
    odd = content[:7] + bytes((depth,)) + content[8:]
    assert probe(odd, LIMIT).format == "TGA"
    np.testing.assert_array_equal(decode(odd, LIMIT).frames[0], rgb)


@pytest.mark.parametrize(("bits", "planes"), [(2, 1), (1, 3), (4, 1)])
def test_a_pcx_of_a_layout_that_is_not_known_is_not_called_damaged(save, rgb, bits, planes):
    content = bytearray(save(rgb[..., 0], "PCX"))
    content[3], content[65] = bits, planes
    words = f"PCX of {planes} x {bits} bits per pixel is not supported"
    with pytest.raises(UnsupportedError, match=words):
        probe(bytes(content), LIMIT)


@pytest.mark.parametrize("count", [0, 1])
def test_a_cursor_is_still_a_cursor(count):
    cursor = (
        b"\0\0\2\0" + bytes((count,)) + b"\0\x20\x20\0\0\0\0\0\0\xa8\x10\0\0\x16\0\0\0" + bytes(60)
    )
    with pytest.raises(UnsupportedError, match="CUR cursors"):
        probe(cursor, LIMIT)


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_a_bmp_of_a_kind_that_nobody_reads_is_not_called_damaged(save, bits):
    content = bytearray(save(Image.new("RGB", (8, 8)), "BMP"))
    content[28], content[30] = (24, 4) if bits == 1 else (bits, 0)
    with pytest.raises(UnsupportedError, match="this kind of BMP is not supported"):
        probe(bytes(content), LIMIT)


def test_packets_of_a_tga_may_go_on_over_the_end_of_a_row():
    head = bytes((0, 0, 10, *bytes(9), 5, 0, 4, 0, 24, 0x20))
    packets = b"\x86\1\2\3" + b"\1\4\5\6\7\x08\x09" + b"\x8a\x0a\x0b\x0c"
    frame = decode(head + packets, LIMIT).frames[0].reshape(-1, 3)
    assert frame.tolist() == [[3, 2, 1]] * 7 + [[6, 5, 4], [9, 8, 7]] + [[12, 11, 10]] * 11
    with pytest.raises(ReadError, match="cut short"):
        decode(head + packets[:-5], LIMIT)


def test_alpha_of_the_usual_bit_fields_is_kept():
    pixels = np.random.default_rng(0).integers(0, 2**16, (5, 7), np.uint64)
    picture = decode(bmp(pixels, 16, (0x7C00, 0x3E0, 0x1F, 0x8000)), LIMIT)
    assert picture.header.channels == 4
    np.testing.assert_array_equal(picture.frames[0][..., 3], (pixels >> 15) * 255)


@pytest.mark.parametrize(
    ("bits", "masks"),
    [
        (32, (0xFF0000, 0xFF00, 0xFF, 0xFF000000)),
        (16, (0x7C00, 0x3E0, 0x1F, 0x8000)),
    ],
)
def test_a_bmp_whose_alpha_is_0_all_over_is_clear_as_elsewhere(bits, masks):
    pixels = np.random.default_rng(0).integers(1, 0x7FFF, (5, 7), np.uint64)
    picture = decode(bmp(pixels, bits, masks), LIMIT)
    assert not picture.frames[0][..., 3].any()
    blue = np.rint((pixels & masks[2]) / masks[2] * 255)
    assert np.abs(picture.frames[0][..., 2] - blue).max() <= 1


@pytest.mark.parametrize("colours", [257, 300, 2**31])
def test_a_palette_that_states_too_many_colours_is_read(save, rgb, colours):
    image = Image.fromarray(rgb).quantize(256)
    content = save(image, "BMP")
    beside = bytes(4 * (colours - 256)) if colours == 300 else b""
    stated = content[:46] + struct.pack("<I", colours) + content[50:1078] + beside + content[1078:]
    stated = stated[:10] + struct.pack("<I", 1078 + len(beside)) + stated[14:]
    frame = decode(stated, LIMIT).frames[0]
    np.testing.assert_array_equal(frame, np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("depth", [8, 15, 16])
def test_palettes_of_a_tga_with_5_bits_and_with_grey_are_read(depth):
    rng = np.random.default_rng(0)
    indices = rng.integers(0, 16, (4, 6), np.uint8)
    stored = rng.integers(0, 2**depth, 16).astype("u1" if depth == 8 else "<u2")
    head = struct.pack("<3BHHB4H2B", 3, 1, 1, 0, 16, depth, 0, 0, 6, 4, 8, 0x20)
    content = head + b"abc" + stored.tobytes() + indices.tobytes()
    if depth == 8:
        colours = np.stack([stored] * 3, axis=-1)
    else:
        colours = np.rint(
            np.stack([stored >> 10 & 31, stored >> 5 & 31, stored & 31], -1) * 255 / 31
        )
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], colours[indices])


def test_a_palette_that_no_pixel_of_a_tga_refers_to_does_no_harm():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    head = struct.pack("<3BHHB4H2B", 0, 1, 2, 0, 16, 15, 0, 0, 6, 4, 24, 0x20)
    picture = decode(head + bytes(32) + pixels[..., ::-1].tobytes(), LIMIT)
    np.testing.assert_array_equal(picture.frames[0], pixels)


def two_bits(indices: np.ndarray, upside_down: bool = True) -> bytes:
    """A BMP of Windows CE: (H, W) numbers of 0 to 3, in red, green, blue and nearly black."""
    height, width = indices.shape
    row = (2 * width + 31) // 32 * 4
    wide = np.zeros((height, 4 * row), np.uint8)
    wide[:, :width] = indices[::-1] if upside_down else indices
    stored = wide[:, 0::4] << 6 | wide[:, 1::4] << 4 | wide[:, 2::4] << 2 | wide[:, 3::4]
    palette = bytes((0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 10, 20, 30, 0))
    signed = height if upside_down else -height
    head = struct.pack("<IiiHHIIiiII", 40, width, signed, 1, 2, 0, stored.size, 0, 0, 4, 0)
    start = 14 + len(head) + len(palette)
    file = b"BM" + struct.pack("<IHHI", start + stored.size, 0, 0, start)
    return file + head + palette + stored.tobytes()


@pytest.mark.parametrize("width", [1, 4, 31, 33])
@pytest.mark.parametrize("upside_down", [True, False])
def test_a_bmp_of_two_bits_has_its_four_colours(width, upside_down):
    indices = np.random.default_rng(width).integers(0, 4, (6, width)).astype(np.uint8)
    content = two_bits(indices, upside_down)
    picture = decode(content, LIMIT)
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [30, 20, 10]], np.uint8)
    np.testing.assert_array_equal(picture.frames[0], colours[indices])
    with pytest.raises(ReadError, match="cut short"):
        decode(content[:-3], LIMIT)
