"""TGA (Truevision TGA specification, 2.0): packets that go on over the end of a row.

The specification forbids them, many programs write them, and Pillow takes them for missing data.
"""

from __future__ import annotations

_HEAD_BYTES = 18
_PACKED = frozenset((9, 10, 11))  # indices, colour, grey
_RUN = 0x80


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


def _pixels(content: bytes, at: int, size: int, wanted: int) -> bytes:
    made = bytearray()
    while len(made) < wanted and at < len(content):
        count, is_run = 1 + content[at] % _RUN, content[at] >= _RUN
        stored = size if is_run else size * count
        piece = content[at + 1 : at + 1 + stored]
        made += piece * count if is_run else piece
        at += 1 + stored
    return bytes(made[:wanted])
