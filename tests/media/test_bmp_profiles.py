"""Colour profiles of BMP (BITMAPV5HEADER): kept, or named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import ImageCms

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.media.lost_content import lost

LIMIT = 10**6
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def bmp(kind: bytes, block: bytes, bits: int = 24, alpha: int = 0) -> bytes:
    """4 x 2 pixels of one colour; `kind` as it is in the file."""
    pixels = bytes((30, 90, 200, 255))[: bits // 8] * 8
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, alpha)
    head = struct.pack("<IiiHHIIiiII", 124, 4, 2, 1, bits, 0, len(pixels), 0, 0, 0, 0) + masks
    head += kind + bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(block), 0)
    start = 14 + 124
    size = start + len(pixels) + len(block)
    return b"BM" + struct.pack("<IHHI", size, 0, 0, start) + head + pixels + block


@pytest.mark.parametrize(("bits", "alpha"), [(24, 0), (32, 0xFF000000)])
@pytest.mark.parametrize("bare", [False, True])
def test_a_profile_inside_the_file_is_kept_and_named_where_it_cannot_be(bits, alpha, bare):
    content = bmp(b"DEBM", PROFILE, bits, alpha)[14 if bare else 0 :]
    picture = decode(content, LIMIT)
    assert picture.metadata.icc == PROFILE
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.frames[0][0, 0, :3], (200, 90, 30))
    written = encode(picture, plan_output(picture.header, (4, 2), "png", ".bmp"), None)
    assert decode(written, LIMIT).metadata.icc == PROFILE
    assert lost(picture, "BMP") == ("left out: the colour profile, which BMP does not hold",)


@pytest.mark.parametrize(
    ("kind", "block", "note"),
    [
        (b"KNIL", b"c:\\profile.icm", "left out: the name of a file with its colour profile"),
        (b"DEBM", b"rubbish", "left out: the colour profile, which is damaged"),
        (b"BGRs", b"", None),
    ],
)
def test_what_is_no_profile_is_named(kind, block, note):
    notes = decode(bmp(kind, block), LIMIT).notes
    assert [found.startswith(note) for found in notes] == ([True] if note else [])
