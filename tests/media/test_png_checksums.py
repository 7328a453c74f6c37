"""Checksums of PNG: what decides the pixels must fit, pixels whole by their own are done."""

from __future__ import annotations

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms
from pngs import chunk

from esc_cli.errors import ReadError
from esc_cli.media.decode import decode

LIMIT = 10**6
SIZE = 16
INDICES = np.arange(SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE) % 4
PALETTE = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], np.uint8)
ROWS = b"".join(b"\0" + row.tobytes() for row in INDICES)
STORED = zlib.compress(ROWS, 0)  # one byte of it is one byte of a row
HEADER = struct.pack(">2I5B", SIZE, SIZE, 8, 3, 0, 0, 0)


def damaged(place: int, block: bytes = STORED) -> bytes:
    return block[:place] + bytes((block[place] ^ 2,)) + block[place + 1 :]


def palette_png(*wrong: bytes, packed: bytes = STORED, gap: bytes = b"") -> bytes:
    """Clear where the index is 0; the checksums of the types in `wrong` do not fit."""
    parts = [(b"IHDR", HEADER), (b"gAMA", b"\0\1\0\0"), (b"PLTE", PALETTE.tobytes())]
    parts += [(b"tRNS", b"\0"), (b"IDAT", packed[:50])]
    chunks = [chunk(kind, payload, kind not in wrong) for kind, payload in parts]
    rest = [chunk(b"IDAT", packed[50:], b"IDAT" not in wrong), chunk(b"IEND", b"")]
    return b"".join((b"\x89PNG\r\n\x1a\n", *chunks, gap, *rest))


@pytest.mark.parametrize(
    "content",
    [
        palette_png(),
        palette_png(b"IDAT"),
        palette_png(b"IEND"),
        palette_png(gap=chunk(b"aaAa", b"")),
        palette_png()[:-12] + b"\0\0\1\0IDAT",
    ],
)
def test_pixels_that_are_whole_by_their_own_checksum_are_done(content: bytes) -> None:
    picture = decode(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0][..., :3], PALETTE[INDICES])
    np.testing.assert_array_equal(picture.frames[0][..., 3] > 0, INDICES > 0)


@pytest.mark.parametrize("wrong", [(), (b"IDAT",)])
@pytest.mark.parametrize("place", [60, len(STORED) - 1])
def test_pixels_whose_own_checksum_is_wrong_are_damaged(wrong, place: int) -> None:
    content = palette_png(*wrong, packed=damaged(place))
    with pytest.raises(ReadError, match="cut short or broken"):
        decode(content, LIMIT)
    assert decode(content, LIMIT, allow_truncated=True).notes


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_damaged_header_or_palette_is_a_reason(kind: bytes) -> None:
    content = palette_png(kind)
    with pytest.raises(imagecodecs.PngError):
        imagecodecs.png_decode(content)
    with pytest.raises(ReadError, match="a checksum of its header is wrong"):
        decode(content, LIMIT)
    (note,) = decode(content, LIMIT, allow_truncated=True).notes
    assert note.startswith("a checksum of its header is wrong")


def test_the_reason_of_a_png_without_pixels_does_not_depend_on_what_came_before() -> None:
    whole = palette_png()
    lacking = whole[: whole.index(b"IDAT") - 4] + chunk(b"IEND", b"")
    for _ in range(20):  # libpng's message is read from memory that others have used by then
        decode(whole, LIMIT)
        with pytest.raises(ReadError, match="the file is cut short or broken"):
            decode(lacking, LIMIT)


def test_damaged_transparency_is_left_out_as_browsers_do() -> None:
    picture = decode(palette_png(b"tRNS"), LIMIT)
    assert picture.notes == ("left out: its transparency, which is damaged",)
    np.testing.assert_array_equal(picture.frames[0], PALETTE[INDICES])


def test_a_damaged_description_of_colours_is_left_out() -> None:
    picture = decode(palette_png(b"gAMA"), LIMIT)
    assert picture.notes == ("left out: a description of its colours, which is damaged",)
    assert picture.metadata.png_colour == ()


def test_a_profile_that_is_whole_by_its_own_checksum_is_kept() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = palette_png()
    packed = b"sRGB\0\0" + zlib.compress(profile)
    for payload, kept, notes in ((packed, profile, 0), (packed[:-1] + b"?", None, 1)):
        added = content[:33] + chunk(b"iCCP", payload, whole=False) + content[33:]
        picture = decode(added, LIMIT)
        assert picture.metadata.icc == kept
        assert len(picture.notes) == notes


@pytest.mark.parametrize("kind", [b"acTL", b"fcTL"])
def test_a_damaged_control_of_an_animation_is_a_reason(kind: bytes) -> None:
    control = struct.pack(">5I2H2B", 0, SIZE, SIZE, 0, 0, 1, 10, 0, 0)
    parts = [(b"acTL", struct.pack(">2I", 1, 0)), (b"fcTL", control)]
    added = b"".join(chunk(name, payload, name != kind) for name, payload in parts)
    start = 8 + 25
    content = palette_png()
    with pytest.raises(ReadError, match="a checksum of its header is wrong"):
        decode(content[:start] + added + content[start:], LIMIT)
