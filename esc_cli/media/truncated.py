"""What is left of files that are cut short: they are made whole, with nothing for what is lost.

Only where a `Truncation` allows it; every decoder sees a complete file then.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

import numpy as np

from esc_cli.errors import ReadError
from esc_cli.media.picture import Frame
from esc_cli.media.png_chunks import SIGNATURE, made, walk
from esc_cli.media.webp import stated_size

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a PNG pixel, by colour type
# (left, top, step across, step down) of the seven passes of an interlaced PNG
_PASSES = (
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)
_FILLERS = b"\0", b"\xa5"
_LEAST_FILL_BYTES = 1 << 16


def has_all_rows(content: bytes) -> bool:
    """Whether a still PNG has all its rows, by their own checksum, whatever else is wrong."""
    chunks = list(walk(content))
    size = next((_stored_bytes(body) for kind, body in chunks if kind == b"IHDR"), 0)
    packed = b"".join(body for kind, body in chunks if kind == b"IDAT")
    unpacker = zlib.decompressobj()
    try:
        rows = len(unpacker.decompress(packed, size + 1))
    except zlib.error:
        return False
    return unpacker.eof and rows == size


def whole_png(content: bytes) -> bytes:
    """A still PNG with all its rows, those missing with every byte 0. Raises ReadError."""
    chunks = list(walk(content))
    if not chunks or chunks[0][0] != b"IHDR" or len(chunks[0][1]) != 13:
        raise ReadError("the picture is damaged: its header cannot be read")
    packed = b"".join(payload for kind, payload in chunks if kind == b"IDAT")
    size = _stored_bytes(chunks[0][1])
    rows = _inflated(packed, size)
    if not rows:
        raise ReadError("the picture is damaged: the file is cut short before its pixels")
    kept = [chunk for chunk in chunks if chunk[0] in (b"IHDR", b"PLTE", b"tRNS")]
    kept += [(b"IDAT", zlib.compress(rows.ljust(size, b"\0"), 1)), (b"IEND", b"")]
    return SIGNATURE + b"".join(made(*chunk) for chunk in kept)


def _stored_bytes(ihdr: bytes) -> int:
    """The bytes of all rows with their filters' numbers."""
    width, height, depth, colour_type, _, _, interlaced = struct.unpack(">2I5B", ihdr)
    bits = depth * _SAMPLES.get(colour_type, 4)
    sides = [(width, height)]
    if interlaced:
        sides = [(-((x - width) // i), -((y - height) // j)) for x, y, i, j in _PASSES]
    return sum(down * (1 + (across * bits + 7) // 8) for across, down in sides if across > 0)


def _inflated(packed: bytes, most: int) -> bytes:
    """As much as can be had, also where the stream is broken."""
    unpacker, parts, left = zlib.decompressobj(), [], most
    # Small pieces: a broken one loses no more than itself.
    for at in range(0, len(packed), 256):
        try:
            part = unpacker.decompress(packed[at : at + 256], left)
        except zlib.error:
            break
        parts.append(part)
        left -= len(part)
        if left <= 0 or unpacker.eof:
            break
    return b"".join(parts)


def is_cut_webp(content: bytes) -> bool:
    """Whether a WebP is shorter than it states."""
    return len(content) < int.from_bytes(content[4:8], "little") + 8


def whole_webp(content: bytes, filler: bytes = b"\0") -> bytes:
    """The file filled up to the length that it states; an animation ends with its last frame.

    Never by more than its pixels could need: a damaged length may state 4 GB.
    """
    width, height = stated_size(content[:30])
    most = len(content) + _LEAST_FILL_BYTES + 4 * width * height
    stated = int.from_bytes(content[4:8], "little") + 8
    at = 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        after = at + 8 + length + length % 2
        if after > len(content) and kind != b"ANMF":
            stated = after
            break
        if after > len(content):
            stated = at
            break
        at = after
    stated = min(stated, most)
    body = content[8:stated].ljust(stated - 8, filler)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def common_rows(decoded: Callable[[bytes], Frame]) -> Frame:
    """The rows that do not depend on what a file is filled up with; 0 in all below."""
    first, second = (decoded(filler) for filler in _FILLERS)
    differs = np.flatnonzero((first != second).any(axis=(1, 2)))
    if differs.size:
        first = first.copy()
        first[differs[0] :] = 0
    return first
