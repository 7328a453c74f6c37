"""Data of cameras and programs in a JPEG, and behind it: named where a result does not have it."""

from __future__ import annotations

import struct

import pytest
from PIL import Image

from esc_cli.media.decode import decode

LIMIT = 10**6


def with_segments(plain: bytes, *segments: tuple[int, bytes]) -> bytes:
    """The JPEG with further segments of (marker, payload) behind its first."""
    made = (struct.pack(">BBH", 0xFF, marker, len(part) + 2) + part for marker, part in segments)
    at = 4 + int.from_bytes(plain[4:6], "big")
    return plain[:at] + b"".join(made) + plain[at:]


def resource(code: int, value: bytes) -> bytes:
    return struct.pack(">4sHHI", b"8BIM", code, 0, len(value)) + value + b"\0" * (len(value) % 2)


@pytest.mark.parametrize(
    ("segments", "note"),
    [
        ([(0xE1, b"FLIR\0\1\0\1" + bytes(9))], "left out: data of APP1 (FLIR)"),
        ([(0xE6, b"GoPro\0DEVC"), (0xE6, b"GoPro\0DVID")], "left out: data of APP6 (GoPro)"),
        ([(0xE3, b"\1\2\3"), (0xEC, b"OLYMP\0more")], "left out: data of APP3, APP12 (OLYMP)"),
        (
            [(0xE3 + at, bytes((65 + at,)) * 8) for at in range(5)],
            "left out: data of APP3 (AAAAAAAA), APP4 (BBBBBBBB), "
            "APP5 (CCCCCCCC), APP6 (DDDDDDDD), ...",
        ),
        (
            [(0xED, b"Photoshop 3.0\0" + resource(0x03F3, b"\1") + resource(0x040A, b"\1\2"))],
            "left out: 2 resources of Photoshop",
        ),
    ],
)
def test_segments_that_a_result_does_not_have_are_named(save, rgb, segments, note):
    assert note in decode(with_segments(save(rgb, "JPEG"), *segments), LIMIT).notes


def test_what_is_kept_or_is_about_the_stored_pixels_is_not_named(save, rgb):
    exif = Image.Exif()
    exif[0x010E] = "drawn"
    iptc = b"\x1c\2\x78\0\4text"
    content = with_segments(
        save(rgb, "JPEG", comment=b"said", dpi=(72, 72), exif=exif),
        (0xED, b"Photoshop 3.0\0" + resource(0x0404, iptc) + resource(0x0425, bytes(range(16)))),
        (0xEE, b"Adobe\0\x64" + bytes(4) + b"\1"),
        (0xEC, b"Ducky\0\1"),
        (0xE5, bytes(20)),
    )
    picture = decode(content, LIMIT)
    assert picture.notes == ()
    assert picture.metadata.iptc == iptc


def test_bytes_behind_a_picture_are_named_but_for_filler(save, rgb):
    plain = save(rgb, "JPEG")
    assert decode(plain + b"AXS!" * 25, LIMIT).notes == ("left out: 100 bytes behind the picture",)
    for filler in (bytes(4000), b"\r\n", b"\xff\xd9", b"\xff" * 64):
        assert decode(plain + filler, LIMIT).notes == ()
