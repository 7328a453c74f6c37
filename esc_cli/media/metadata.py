"""EXIF, XMP and ICC blocks: what must change when a picture is turned upright and enlarged.

EXIF is patched in place, because maker notes hold offsets that break when the block is rebuilt.
"""

from __future__ import annotations

import re
import struct

import numpy as np

from esc_cli.media import tiff_tags
from esc_cli.media.picture import Frame

EXIF_PREFIX = b"Exif\0\0"
_IMAGE_WIDTH, _IMAGE_LENGTH = 256, 257
_PIXEL_X, _PIXEL_Y = 40962, 40963
_THUMBNAIL_AT, _THUMBNAIL_BYTES = 513, 514
COLORIMETRY_TAGS = frozenset((318, 319))
"""White point and primaries of RGB, which mean nothing once other colours have become sRGB."""
# The tags of a TIFF that describe its own pixels; everything else in a directory describes the
# picture and goes with it. 274 is here because the pixels are upright by then.
STRUCTURE_TAGS = frozenset(
    {
        *range(254, 260),  # subfile types, width, length, bits, compression
        *range(262, 267),  # photometric, thresholding, cells, fill order
        *range(273, 285),  # strips, orientation, samples, minimum, maximum, resolution, planes
        *(288, 289, 290, 291, 292, 293, 296, 297),  # free space, grey response, fax, unit, page
        *(301, 317, 320, 321),  # transfer function, predictor, colour map, halftones
        *range(322, 326),  # tiles
        *(330, 332, 334, 338, 339, 340, 341, 347),  # inner pages, inks, extra samples, JPEG tables
        *(513, 514, 529, 530, 531, 532),  # thumbnail, YCbCr
        *(700, 34675),  # XMP and ICC, which travel by themselves
    }
)
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|\s*>)\s*)([1-8])")


def bare_exif(block: bytes | None) -> bytes | None:
    """The TIFF structure of an EXIF block, without prefix; None when no directory is in it."""
    if block is None:
        return None
    block = block.removeprefix(EXIF_PREFIX)
    if block[:4] not in (b"II*\0", b"MM\0*") or len(block) < 14:
        return None
    readable = tiff_tags.read_directory(block, tiff_tags.first_directory(block), depth=0)[0]
    return block if readable else None


def damaged_exif(block: bytes | None) -> tuple[str, ...]:
    """A note where there is an EXIF block that `bare_exif` makes nothing of."""
    empty = block is None or not block.removeprefix(EXIF_PREFIX).strip(b"\0")
    return () if empty or bare_exif(block) is not None else ("left out: EXIF, which is damaged",)


def orientation(exif: bytes | None) -> int:
    """How the picture was turned, 1 to 8 (EXIF 2.3, tag 274), 1 where EXIF does not say.

    What XMP alone says turns nothing, as in browsers and other decoders.
    """
    stated = stated_orientation(exif)
    return 1 if stated is None else in_range(stated)


def stated_orientation(exif: bytes | None) -> int | None:
    """The number in the tag as it stands, None without one."""
    if exif is None:
        return None
    order = tiff_tags.byte_order(exif)
    for entry in tiff_tags.read_directory(exif, tiff_tags.first_directory(exif), depth=0)[0]:
        if entry.tag == tiff_tags.ORIENTATION:
            return tiff_tags.number(entry, order) or 1
    return None


def in_range(value: int) -> int:
    """An orientation from a file, or 1 where it is none of 1 to 8."""
    return value if 1 <= value <= 8 else 1


def upright_size(width: int, height: int, turned: int) -> tuple[int, int]:
    """(width, height) after `upright`."""
    return (height, width) if turned >= 5 else (width, height)


def upright(frame: Frame, turned: int) -> Frame:
    """A (H, W, C) frame as it should be seen, given its orientation of 1 to 8."""
    if turned >= 5:
        frame = frame.swapaxes(0, 1)  # (W, H, C)
    if turned in (3, 4, 7, 8):
        frame = frame[::-1]
    if turned in (2, 3, 6, 7):
        frame = frame[:, ::-1]
    return np.ascontiguousarray(frame)


def upright_xmp(xmp: bytes | None) -> bytes | None:
    """The same XMP packet, saying that the picture is upright if it says anything about it."""
    return None if xmp is None else _XMP_ORIENTATION.sub(rb"\g<1>1", xmp)


def upright_exif(exif: bytes | None, size: tuple[int, int] | None = None) -> bytes | None:
    """The same EXIF block: orientation 1, no thumbnail, and `size` (width, height) if given.

    Sizes are changed where the block states them, not added.
    """
    if exif is None:
        return None
    block, order = bytearray(exif), tiff_tags.byte_order(exif)
    entries, thumbnail = tiff_tags.read_directory(exif, tiff_tags.first_directory(exif))
    numbers = {tiff_tags.ORIENTATION: 1}
    if size is not None:
        numbers |= dict(zip((_IMAGE_WIDTH, _IMAGE_LENGTH), size, strict=True))
        numbers |= dict(zip((_PIXEL_X, _PIXEL_Y), size, strict=True))
    inner = [
        child for entry in entries if entry.tag == tiff_tags.EXIF_IFD for child in entry.children
    ]
    for entry in (*entries, *inner):
        if entry.tag in numbers:
            # A LONG always fits the entry; an enlarged size may not fit the SHORT that stood there.
            kind = tiff_tags.SHORT if entry.tag == tiff_tags.ORIENTATION else tiff_tags.LONG
            _patch(block, order, entry.at, kind, numbers[entry.tag])
    if thumbnail:
        _drop_thumbnail(block, order, thumbnail)
    return bytes(block)


def _patch(block: bytearray, order: str, at: int, kind: int, number: int) -> None:
    packed = struct.pack(order + {3: "H"}.get(kind, "I"), number).ljust(4, b"\0")
    struct.pack_into(f"{order}HI", block, at + 2, kind, 1)
    block[at + 8 : at + 12] = packed


def _drop_thumbnail(block: bytearray, order: str, offset: int) -> None:
    """Cut the link to the second directory, and its JPEG: off the end, or blanked inside."""
    content = bytes(block)
    first = tiff_tags.first_directory(content)
    (count,) = struct.unpack_from(f"{order}H", block, first)
    struct.pack_into(f"{order}I", block, first + 2 + 12 * count, 0)
    tags = {entry.tag: entry for entry in tiff_tags.read_directory(content, offset, depth=0)[0]}
    if _THUMBNAIL_AT not in tags or _THUMBNAIL_BYTES not in tags:
        return
    start = tiff_tags.number(tags[_THUMBNAIL_AT], order)
    length = tiff_tags.number(tags[_THUMBNAIL_BYTES], order)
    if start is None or length is None:
        return
    end = start + length
    if block[start : start + 2] != b"\xff\xd8" or end > len(block):
        return  # no JPEG there: rather keep stray bytes than blank a maker note
    if end >= len(block) - 1:
        del block[start:]
    else:
        block[start:end] = bytes(end - start)


def exif_of_tiff(
    content: bytes, directory: int, without: frozenset[int] = frozenset()
) -> bytes | None:
    """The EXIF block that the directory at offset `directory` of a TIFF file amounts to.

    Tags that are in `without` do not get into it.
    """
    every = descriptive(tiff_tags.read_directory(content, directory)[0])
    entries = [entry for entry in every if entry.tag not in without]
    order = tiff_tags.byte_order(content)
    header = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(f"{order}I", 8)
    return header + tiff_tags.write_directory(entries, order, 8) if entries else None


def descriptive(entries: tuple[tiff_tags.Entry, ...]) -> list[tiff_tags.Entry]:
    """The entries that describe the picture rather than the layout of its file."""
    return [entry for entry in entries if entry.tag not in STRUCTURE_TAGS]


def unfit_icc(stored: bytes | None, kept: bytes | None) -> tuple[str, ...]:
    """A note where a file has a profile and none is kept."""
    gone = bool(stored) and kept is None
    return ("left out: the colour profile, which is damaged or for other pixels",) if gone else ()


def fitting_icc(icc: bytes | None, grey: bool) -> bytes | None:
    """The profile if it is whole and for such pixels (ICC.1, header bytes 0 to 3, 16 to 19)."""
    if icc is None or int.from_bytes(icc[:4], "big") > len(icc):
        return None
    return icc if icc[16:20] == (b"GRAY" if grey else b"RGB ") else None
