"""Every kind of pixel arrives as grey or RGB, with its bits, its alpha and its colours."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from esc_cli.errors import UnsupportedError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6


@pytest.mark.parametrize(
    ("format_name", "tolerance"),
    [("PNG", 0), ("JPEG", 5), ("WEBP", 6), ("TIFF", 0), ("BMP", 0), ("GIF", 5), ("AVIF", 5)],
)
def test_a_plain_picture_decodes_and_its_probe_says_the_same(save, rgb, format_name, tolerance):
    content = save(rgb, format_name)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert (picture.header.format, picture.header.channels) == (format_name, 3)
    assert picture.frames[0].shape == (20, 30, 3)
    assert picture.frames[0].flags.c_contiguous
    assert picture.frames[0].flags.writeable
    assert np.abs(picture.frames[0].astype(int) - rgb).mean() <= tolerance
    assert (picture.durations_ms, picture.loop) == ((), None)


def test_heic_decodes_through_pillow_heif(rgb):
    pillow_heif = pytest.importorskip("pillow_heif")
    target = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(target, quality=100)
    picture = decode(target.getvalue(), LIMIT)
    assert (picture.header.format, picture.header.width, picture.header.channels) == ("HEIF", 30, 3)
    assert np.abs(picture.frames[0].astype(int) - rgb).mean() < 5


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_dark_16_bit_png_stays_16_bit(dark16, channels):
    pixels = np.ascontiguousarray(dark16[..., :channels])
    content = imagecodecs.png_encode(pixels[..., 0] if channels == 1 else pixels)
    picture = decode(content, LIMIT)
    assert (picture.header.bits, picture.header.channels) == (16, channels)
    assert picture.frames[0].dtype == np.uint16
    np.testing.assert_array_equal(picture.frames[0], pixels)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_in_every_layout(dark16, compression, byteorder, planar, channels):
    pixels = dark16[..., :channels]
    stored = np.moveaxis(pixels, 2, 0) if planar == "separate" else pixels
    if channels == 1:
        stored = pixels[..., 0]
    target = io.BytesIO()
    tifffile.imwrite(
        target,
        stored,
        photometric="minisblack" if channels == 1 else "rgb",
        planarconfig=None if channels == 1 else planar,
        compression=compression,
        predictor=compression is not None,
        byteorder=byteorder,
    )
    picture = decode(target.getvalue(), LIMIT)
    assert picture.header == probe(target.getvalue(), LIMIT)
    assert picture.header.bits == 16
    assert picture.frames[0].dtype == np.dtype(np.uint16)
    np.testing.assert_array_equal(picture.frames[0], pixels)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_min_is_white_tiff_is_inverted(dark16, kind):
    pixels = dark16[..., 0].astype(kind)
    target = io.BytesIO()
    tifffile.imwrite(target, pixels, photometric="miniswhite")
    frame = decode(target.getvalue(), LIMIT).frames[0]
    np.testing.assert_array_equal(frame[..., 0], np.iinfo(kind).max - pixels)


def test_premultiplied_tiff_becomes_straight():
    straight = np.array([[[65535, 30000, 0, 32768], [0, 0, 0, 0]]], np.uint16)
    stored = straight.copy()
    stored[..., :3] = (straight[..., :3].astype(np.uint64) * straight[..., 3:] // 65535).astype(
        np.uint16
    )
    target = io.BytesIO()
    tifffile.imwrite(target, stored, photometric="rgb", extrasamples=["assocalpha"])
    frame = decode(target.getvalue(), LIMIT).frames[0]
    assert np.abs(frame.astype(int) - straight).max() <= 2


def test_an_extra_tiff_sample_that_is_no_alpha_is_dropped(dark16):
    target = io.BytesIO()
    tifffile.imwrite(target, dark16, photometric="rgb", extrasamples=["unspecified"])
    picture = decode(target.getvalue(), LIMIT)
    assert picture.header.channels == 3
    np.testing.assert_array_equal(picture.frames[0], dark16[..., :3])


@pytest.mark.parametrize(
    ("depth", "row", "levels"),
    [(1, b"\x50", [0, 255, 0, 255]), (2, b"\x1b", [0, 85, 170, 255])],
)
def test_grey_png_of_few_bits_is_spread_over_8(raw_png, depth, row, levels):
    picture = decode(raw_png((4, 1), depth, 0, b"\0" + row), LIMIT)
    assert (picture.header.channels, picture.header.bits) == (1, 8)
    assert picture.frames[0][0, :, 0].tolist() == levels


def test_grey_png_with_a_transparent_level_gets_alpha(raw_png, chunk):
    extra = chunk(b"tRNS", struct.pack(">H", 2))
    picture = decode(raw_png((4, 1), 2, 0, b"\0\x1b", extra), LIMIT)
    assert picture.header.channels == 2
    assert picture.frames[0].tolist() == [[[0, 255], [85, 255], [170, 0], [255, 255]]]


def test_palette_png_keeps_its_transparency(raw_png, chunk):
    palette = chunk(b"PLTE", bytes(range(12)))
    plain = decode(raw_png((4, 1), 2, 3, b"\0\x1b", palette), LIMIT)
    assert plain.header.channels == 3
    extra = palette + chunk(b"tRNS", bytes([1, 2]))
    picture = decode(raw_png((4, 1), 2, 3, b"\0\x1b", extra), LIMIT)
    assert picture.header.channels == 4
    expected = [[[0, 1, 2, 1], [3, 4, 5, 2], [6, 7, 8, 255], [9, 10, 11, 255]]]
    assert picture.frames[0].tolist() == expected


def test_16_bit_png_with_a_transparent_colour_gets_alpha(raw_png, chunk):
    extra = chunk(b"tRNS", struct.pack(">HHH", 1, 2, 3))
    rows = b"\0" + struct.pack(">6H", 1, 2, 3, 4, 5, 6)
    picture = decode(raw_png((2, 1), 16, 2, rows, extra), LIMIT)
    assert picture.header.channels == 4
    assert picture.frames[0].tolist() == [[[1, 2, 3, 0], [4, 5, 6, 65535]]]


@pytest.mark.parametrize("format_name", ["TIFF", "PNG", "JPEG"])
@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("LA", 2), ("P", 3), ("PA", 4), ("RGBA", 4), ("CMYK", 3), ("YCbCr", 3)],
)
def test_every_pillow_mode_is_normalised(save, rgb, mode, channels, format_name):
    source = Image.fromarray(rgb).convert(mode)
    try:
        # Pillow before 12 cannot read its own YCbCr without compression.
        options = {"compression": "tiff_lzw"} if mode == "YCbCr" and format_name == "TIFF" else {}
        content = save(source, format_name, **options)
    except OSError:
        pytest.skip(f"{format_name} has no {mode}")
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header.channels == channels
    expected = np.asarray(source.convert("RGB")).astype(int)
    colours = picture.frames[0][..., :3] if channels > 2 else picture.frames[0][..., :1]
    tolerance = 60 if mode == "1" and format_name == "JPEG" else 20
    assert np.abs(colours - expected[..., : colours.shape[2]]).max() <= tolerance


def test_lab_tiff_becomes_srgb(save, rgb):
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    source = ImageCms.profileToProfile(Image.fromarray(rgb), srgb, lab, outputMode="LAB")
    picture = decode(save(source, "TIFF"), LIMIT)
    assert picture.metadata.icc[16:20] == b"RGB "
    assert np.abs(picture.frames[0].astype(int) - rgb).mean() < 3


def test_cmyk_without_a_profile_has_none_afterwards(save, rgb):
    content = save(Image.fromarray(rgb).convert("CMYK"), "JPEG", quality=100)
    picture = decode(content, LIMIT)
    assert picture.metadata.icc is None
    assert np.abs(picture.frames[0].astype(int) - rgb).max() <= 8


def test_cmyk_goes_through_its_profile_to_srgb(save, cmyk_profile):
    ink = Image.new("CMYK", (8, 8), (0, 0, 0, 128))
    picture = decode(save(ink, "TIFF", icc_profile=cmyk_profile), LIMIT)
    assert picture.metadata.icc[16:20] == b"RGB "
    assert picture.header == probe(save(ink, "TIFF", icc_profile=cmyk_profile), LIMIT)
    # Half of the black gives L* = 50 with this profile, which is 119 in sRGB; plain inversion 127.
    assert np.abs(picture.frames[0].astype(int) - 119).max() <= 2


@pytest.fixture
def cmyk_profile() -> bytes:
    """A minimal CMYK profile (ICC.1:2010): a table of 2 points a side from ink to Lab."""

    def corner(number: int) -> bytes:
        inks = [(number >> shift) & 1 for shift in (3, 2, 1, 0)]
        light = 0 if inks[3] else round(65280 * (3 - sum(inks[:3])) / 3)
        return struct.pack(">3H", light, 32768, 32768)

    ramp = struct.pack(">2H", 0, 65535)
    lut = b"mft2\0\0\0\0" + bytes([4, 3, 2, 0])
    lut += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536) + struct.pack(">2H", 2, 2)
    lut += ramp * 4 + b"".join(corner(number) for number in range(16)) + ramp * 3
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"A2B0": lut,
        b"A2B1": lut,
    }
    table, heap = struct.pack(">I", len(tags)), b""
    for name, payload in tags.items():
        at = 128 + 4 + 12 * len(tags) + len(heap)
        table += name + struct.pack(">II", at, len(payload))
        heap += payload + b"\0" * (-len(payload) % 4)
    size = 128 + len(table) + len(heap)
    header = struct.pack(">I4sI4s4s4s12s4s", size, b"lcms", 0x02100000, b"prtr", b"CMYK", b"Lab ",
                         struct.pack(">6H", 2020, 1, 1, 0, 0, 0), b"acsp")  # fmt: skip
    header = header.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return header.ljust(128, b"\0") + table + heap


@pytest.mark.parametrize(
    ("kind", "photometric", "word"),
    [
        (np.float32, "miniswhite", "32-bit floating point"),
        (np.complex64, "minisblack", "64 bits"),
        (np.int32, "minisblack", "32 bits"),
    ],
)
def test_numbers_that_have_no_place_in_a_picture_are_refused_by_name(kind, photometric, word):
    target = io.BytesIO()
    tifffile.imwrite(target, np.zeros((4, 4), kind), photometric=photometric)
    with pytest.raises(UnsupportedError, match=word):
        probe(target.getvalue(), LIMIT)


def test_jpeg_of_12_bits_is_refused_by_name(dark16):
    content = imagecodecs.jpeg_encode(dark16[..., 0].copy(), bitspersample=12)
    with pytest.raises(UnsupportedError, match="12 bits"):
        probe(content, LIMIT)


def test_mpo_gives_its_first_picture(save, rgb):
    second = Image.fromarray(255 - rgb)
    content = save(rgb, "MPO", save_all=True, append_images=[second], quality=95)
    picture = decode(content, LIMIT)
    assert (picture.header.format, picture.header.frames) == ("JPEG", 1)
    assert np.abs(picture.frames[0].astype(int) - rgb).mean() < 5


def test_pages_of_a_tiff_are_kept_and_thumbnails_dropped(dark16):
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        writer.write(dark16, photometric="rgb", metadata=None)
        writer.write(dark16[::4, ::4], photometric="rgb", metadata=None, subfiletype=1)
        writer.write(dark16 + 1, photometric="rgb", metadata=None)
    picture = decode(target.getvalue(), LIMIT)
    assert picture.header.frames == 2
    assert (picture.durations_ms, picture.loop) == ((), None)
    np.testing.assert_array_equal(picture.frames[1], dark16 + 1)


def test_palette_pages_are_read_through_pillow(save, rgb):
    first, second = (Image.fromarray(pixels).quantize(200) for pixels in (rgb, rgb[::-1]))
    picture = decode(save(first, "TIFF", save_all=True, append_images=[second]), LIMIT)
    assert picture.header.frames == 2
    np.testing.assert_array_equal(picture.frames[1], np.asarray(second.convert("RGB")))


def test_pages_that_differ_are_refused():
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        writer.write(np.zeros((4, 4), np.uint8), metadata=None)
        writer.write(np.zeros((5, 4), np.uint8), metadata=None)
    with pytest.raises(UnsupportedError, match="differ"):
        probe(target.getvalue(), LIMIT)


def test_many_threads_decode_every_format_at_once(save, rgb):
    files = [save(rgb, name) for name in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF")]
    alone = [decode(content, LIMIT).frames[0] for content in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda content: decode(content, LIMIT).frames[0], files * 10))
    for number, frame in enumerate(together):
        np.testing.assert_array_equal(frame, alone[number % len(files)])
