"""What does not fit into the result is named."""

from __future__ import annotations

import io
import struct

import pytest
from PIL import Image

from esc_cli.media.decode import decode
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Header, Metadata, Picture

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif_of(length: int) -> bytes:
    """A block with a maker note of this many bytes."""
    head = b"II*\0" + struct.pack("<IH", 8, 1)
    return head + struct.pack("<HHIII", 37500, 7, length, 26, 0) + bytes(length)


def webp(exif: bytes, **options: object) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 90, 30)).save(target, "WEBP", exif=exif, **options)
    return target.getvalue()


@pytest.mark.parametrize("name", ["BMP", "GIF"])
def test_formats_without_metadata_name_all_of_it(name: str) -> None:
    icc = bytes(16) + b"RGB " + bytes(112)
    notes = lost(decode(webp(exif_of(40), xmp=XMP, icc_profile=icc), 10**6), name)
    assert [note.partition(",")[0] for note in notes] == [
        "left out: EXIF",
        "left out: XMP",
        "left out: the colour profile",
    ]
    assert all(note.endswith(f"which {name} does not hold") for note in notes)


def test_exif_over_64_kib_is_named_in_jpeg_only() -> None:
    picture = decode(webp(exif_of(70_000)), 10**6)
    (note,) = lost(picture, "JPEG")
    assert note == "left out: EXIF, whose 70,026 bytes are more than JPEG holds"
    assert lost(picture, "PNG") == lost(picture, "TIFF") == lost(picture, "WEBP") == ()


def test_damaged_exif_is_named_and_an_empty_block_is_not() -> None:
    assert decode(webp(b"Exif\0\0not a directory"), 10**6).notes == (
        "left out: EXIF, which is damaged",
    )
    assert decode(webp(b"Exif\0\0"), 10**6).notes == ()


def test_the_colour_space_of_a_png_is_named_elsewhere() -> None:
    header = Header("PNG", 8, 6, 3, 8, 1)
    metadata = Metadata(png_colour=((b"cICP", bytes((9, 16, 0, 1))),))
    picture = Picture(header, (), (), None, metadata)
    assert lost(picture, "PNG") == ()
    (note,) = lost(picture, "WEBP")
    assert note == "left out: its colour space (cICP or nclx), which WEBP does not hold"
