"""What OpenImageIO does not know of Radiance HDR: the runs of its first versions, header lines.

A pixel of (1, 1, 1, n) repeats the one before n times; such pixels in a row are the digits of one
number, the least first (Greg Ward, Real Pixels, in Graphics Gems II).
"""

from __future__ import annotations

import re

_SIZE = re.compile(rb"\n[ \t]*\n([+-][XY]) +(\d{1,9}) +([+-][XY]) +(\d{1,9}) *\n")
_READ = b"#?", b"FORMAT=", b"EXPOSURE="
_PIXEL = 4  # bytes: red, green, blue, exponent
_REPEAT = b"\1\1\1"
_NEWER = b"\2\2"  # how a row with the runs of today begins, and its length in two bytes
_LEAST, _MOST = 8, 0x7FFF  # pixels of such a row


def has_further_lines(content: bytes) -> bool:
    """Whether the header has lines besides those that are read: programs, views, comments."""
    size = _SIZE.search(content)
    lines = content[: size.start()].split(b"\n") if size else []
    return any(line.strip() and not line.lstrip().startswith(_READ) for line in lines)


def unpacked(content: bytes) -> bytes:
    """The same picture without old runs, as far as they go; the content itself if it has none."""
    size = _SIZE.search(content)
    if size is None:
        return content
    lengths = int(size[2]), int(size[4])
    first = content[size.end() : size.end() + _PIXEL]
    newer = first[:2] == _NEWER and int.from_bytes(first[2:], "big") == lengths[1]
    if (newer and _LEAST <= lengths[1] <= _MOST) or _REPEAT not in content[size.end() :]:
        return content
    return content[: size.end()] + _pixels(content[size.end() :], lengths[0] * lengths[1])


def _pixels(packed: bytes, count: int) -> bytes:
    """The first `count` pixels."""
    made = bytearray()
    at, digit = 0, 0
    while at < len(packed) and len(made) < _PIXEL * count:
        found = _next_repeat(packed, at)
        if found > at:
            made += packed[at:found]
            digit = 0
        if found < len(packed):
            left = count - len(made) // _PIXEL
            made += made[-_PIXEL:] * min(packed[found + 3] << 8 * digit, left)
            digit = min(digit + 1, 3)
        at = found + _PIXEL
    return bytes(made[: _PIXEL * count])


def _next_repeat(packed: bytes, at: int) -> int:
    """Where the next pixel that repeats stands; the end of what there is if there is none."""
    found = packed.find(_REPEAT, at)
    while found >= 0 and (found - at) % _PIXEL:
        found = packed.find(_REPEAT, found + 1)
    return found if 0 <= found <= len(packed) - _PIXEL else len(packed)
