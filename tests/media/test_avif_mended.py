"""AVIF that browsers forgive: opacity without a size, several boxes of associations, gain maps."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from avifs import with_gain_map

from esc_cli.media.decode import decode, probe

LIMIT = 10**6


def rewritten(content: bytes, without_size: bool, apart: bool) -> bytes:
    """A still with opacity as libavif writes it: its ipma in another layout, padded to its size."""
    at = content.index(b"ipma") - 4
    size = struct.unpack_from(">I", content, at)[0]
    table = content[at + 8 : at + size]
    assert table[:8] == b"\0\0\0\0\0\0\0\2"
    end = 8 + 3 + table[10]
    first, second = table[8:end], table[end:]
    if without_size:  # libavif gives each item its size first
        second = second[:2] + bytes((second[2] - 1,)) + second[4:]
    parts = [first, second] if apart else [first + second]
    made = b""
    for part in parts:
        body = struct.pack(">II", 0, 2 // len(parts)) + part
        made += struct.pack(">I4s", 8 + len(body), b"ipma") + body
    grown = len(made) - size
    moved = bytearray(content[:at] + made + content[at + size :])
    for name in (b"meta", b"iprp"):
        place = moved.index(name) - 4
        struct.pack_into(">I", moved, place, struct.unpack_from(">I", moved, place)[0] + grown)
    iloc = moved.index(b"iloc") + 4
    count = struct.unpack_from(">H", moved, iloc + 6)[0]
    for number in range(count):
        place = iloc + 8 + 14 * number + 6
        struct.pack_into(">I", moved, place, struct.unpack_from(">I", moved, place)[0] + grown)
    return bytes(moved)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize(("without_size", "apart"), [(True, False), (False, True), (True, True)])
def test_what_browsers_forgive_in_opacity_is_done(rgba, bits, without_size, apart):
    pixels = rgba if bits == 8 else rgba.astype(np.uint16) * 4
    whole = bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))
    content = rewritten(whole, without_size, apart)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header.channels == 4
    np.testing.assert_array_equal(picture.frames[0], decode(whole, LIMIT).frames[0])
    assert picture.notes == ()


@pytest.mark.parametrize("bits", [8, 10])
def test_parameters_of_a_gain_map_that_are_wrong_harm_no_picture(rgba, bits):
    pixels = rgba if bits == 8 else rgba.astype(np.uint16) * 4
    whole = bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))
    cut = struct.pack(">BHH", 0, 0, 0)  # of a version that is read, and nothing behind it
    picture = decode(with_gain_map(whole, cut), LIMIT)
    np.testing.assert_array_equal(picture.frames[0], decode(whole, LIMIT).frames[0][..., :3])
    assert picture.notes == ("left out: its gain map (HDR)",)
