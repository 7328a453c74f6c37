"""EXIF of any kind never fails a picture, in every container that holds EXIF."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output

ORIENTATION, EXIF_IFD = 274, 34665
HUGE = 2**31


def block(*entries: tuple[int, int, int, bytes], following: int = 0) -> bytes:
    """A big-endian EXIF structure of one directory; an entry is (tag, type, count, 4 bytes)."""
    table = b"".join(
        struct.pack(">HHI", *entry[:3]) + entry[3].ljust(4, b"\0") for entry in entries
    )
    return (
        b"MM\0*\0\0\0\x08" + struct.pack(">H", len(entries)) + table + struct.pack(">I", following)
    )


def odd_blocks() -> Iterator[bytes]:
    """Types 0 to 20 by counts, offsets, orientations, loops and cuts."""
    for kind in range(21):
        for count in (0, 1, 2, HUGE):
            yield block((ORIENTATION, kind, count, b"\0\6\0\0"))
        yield block((EXIF_IFD, kind, 1, b"\0\0\0\x08"))  # a directory inside itself
        yield block((ORIENTATION, 3, 1, b"\0\1"), (40962, kind, 1, b"\0\1\0\1"))
    for turned in (0, 9, 255, 65535):
        yield block((ORIENTATION, 3, 1, struct.pack(">H", turned)))
    for offset in (0, 1, 8, 9, 10_000, 2**32 - 1):
        yield b"MM\0*" + struct.pack(">I", offset) + bytes(20)
        yield block((EXIF_IFD, 4, 1, struct.pack(">I", offset)), following=offset)
    whole = block((ORIENTATION, 3, 1, b"\0\1"), (EXIF_IFD, 4, 1, b"\0\0\0\x08"), following=8)
    for kind in range(14):
        thumbnail = block((513, kind, 1, b"\0\0\0\x08"), (514, kind, 1, b"\xff\xff\xff\xff"))[8:]
        yield block((ORIENTATION, 3, 1, b"\0\1"), following=26) + thumbnail
    yield from (whole[:length] for length in range(0, len(whole), 3))


BLOCKS = tuple(odd_blocks())


def tiff_with(exif: bytes) -> bytes | None:
    """A grey TIFF of 8 x 6 whose directory also holds the entries of this block."""
    if len(exif) < 14 or exif[4:8] != b"\0\0\0\x08":
        return None
    count = struct.unpack_from(">H", exif, 8)[0]
    entries = [exif[at : at + 12] for at in range(10, 10 + 12 * count, 12)]
    if any(len(entry) < 12 for entry in entries) or not count:
        return None
    own = ((256, 8), (257, 6), (258, 8), (259, 1), (262, 1), (277, 1), (278, 6), (279, 48))
    entries += [struct.pack(">HHIHH", tag, 3, 1, value, 0) for tag, value in own]
    pixels_at = 10 + 12 * (len(entries) + 1) + 4
    entries.append(struct.pack(">HHII", 273, 4, 1, pixels_at))
    table = struct.pack(">H", len(entries)) + b"".join(sorted(entries)) + bytes(4)
    return exif[:8] + table + bytes(range(48))


def holding(name: str, exif: bytes) -> bytes | None:
    """A picture of 8 x 6 with this EXIF block; None where none can be made of it."""
    target = io.BytesIO()
    image = Image.new("RGB", (8, 6), (200, 90, 30))
    if name == "TIFF":
        return tiff_with(exif)
    if name in ("WEBP", "AVIF"):
        try:
            image.save(target, name, exif=exif or b"\0")
        except Exception:  # noqa: BLE001 - Pillow's AVIF writer reads the orientation of the block itself
            return None
        return target.getvalue()
    image.save(target, name)
    content = target.getvalue()
    if name == "JPEG":
        payload = b"Exif\0\0" + exif
        return (
            content[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + content[2:]
        )
    chunk = b"eXIf" + exif
    return (
        content[:33]
        + struct.pack(">I", len(exif))
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + content[33:]
    )


def test_there_are_many_odd_blocks() -> None:
    assert len(set(BLOCKS)) > 150


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF"])
def test_no_exif_block_fails_a_picture(name: str) -> None:
    failed, done = [], 0
    for exif in BLOCKS:
        content = holding(name, exif)
        if content is None:
            continue
        done += 1
        try:
            picture = decode(content, 10**6)
            size = picture.header.width, picture.header.height
            encode(picture, plan_output(picture.header, size, None, ".x"), None)
        except Exception as error:  # noqa: BLE001 - all are shown at once
            failed.append((exif.hex(" "), repr(error)))
    assert not failed, f"{len(failed)} of {done}: {failed[:5]}"
    assert done > 60


@pytest.mark.parametrize("kind", [1, 7])
def test_an_orientation_of_bytes_turns_the_picture(kind: int) -> None:
    content = holding("JPEG", block((ORIENTATION, kind, 1, b"\6")))
    assert content is not None
    header = decode(content, 10**6).header
    assert (header.width, header.height) == (6, 8)
