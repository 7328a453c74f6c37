"""TGA (Truevision TGA specification, 2.0): what Pillow does not know of it.

Packets that go on over the end of a row, which the specification forbids and many programs write,
are missing data to Pillow. It knows no palettes of 5 bits a channel, of grey, or beside pixels that
have colours of their own.
"""

from __future__ import annotations

import numpy as np

_HEAD_BYTES = 18
_PACKED = frozenset((9, 10, 11))  # indices, colour, grey
_RUN = 0x80
_INDEXED = frozenset((1, 9))
_MAP_DEPTHS = frozenset((8, 15, 16))  # that are rewritten with 24 bits


def unpacked(content: bytes) -> bytes:
    """The same picture without packets, as far as they go; the content itself if it has none."""
    if len(content) < _HEAD_BYTES or content[2] not in _PACKED:
        return content
    head = content[:2] + bytes((content[2] - 8,)) + content[3:_HEAD_BYTES]
    entries = int.from_bytes(content[5:7], "little") if content[1] else 0
    start = _HEAD_BYTES + content[0] + entries * ((content[7] + 7) // 8)
    width, height = (int.from_bytes(content[at : at + 2], "little") for at in (12, 14))
    size = (content[16] + 7) // 8
    pixels = _pixels(content, start, size, width * height * size)
    return head + content[_HEAD_BYTES:start] + pixels


def with_plain_palette(content: bytes) -> bytes:
    """The same picture with a palette of 24 bits, or without one that no pixel refers to."""
    if len(content) < _HEAD_BYTES or content[1] != 1:
        return content
    kind, entries, depth = content[2], int.from_bytes(content[5:7], "little"), content[7]
    start = _HEAD_BYTES + content[0]
    end = start + entries * ((depth + 7) // 8)
    if kind not in _INDEXED:
        head = content[:1] + b"\0" + content[2:3] + bytes(5) + content[8:_HEAD_BYTES]
        return head + content[_HEAD_BYTES:start] + content[end:]
    if depth not in _MAP_DEPTHS or end > len(content):
        return content
    colours = _blue_green_red(content[start:end], depth)
    return content[:7] + b"\x18" + content[8:start] + colours + content[end:]


def _blue_green_red(stored: bytes, depth: int) -> bytes:
    if depth == 8:
        return np.frombuffer(stored, np.uint8).repeat(3).tobytes()
    numbers = np.frombuffer(stored, "<u2")
    fields = [(numbers >> shift & 31).astype(np.uint32) for shift in (0, 5, 10)]
    return np.stack([(field * 255 + 15) // 31 for field in fields], -1).astype(np.uint8).tobytes()


def _pixels(content: bytes, at: int, size: int, wanted: int) -> bytes:
    made = bytearray()
    while len(made) < wanted and at < len(content):
        count, is_run = 1 + content[at] % _RUN, content[at] >= _RUN
        stored = size if is_run else size * count
        piece = content[at + 1 : at + 1 + stored]
        made += piece * count if is_run else piece
        at += 1 + stored
    return bytes(made[:wanted])
