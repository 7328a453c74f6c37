"""The colour that a PNG is to be shown upon (bKGD; PNG specification, third edition, 11.3.4.1)."""

from __future__ import annotations

import struct
from collections.abc import Mapping

_TOP = 65535
_PALETTE = 3
_LEVELS = {0: 1, 2: 3, 4: 1, 6: 3}  # by colour type


def levels_of(chunks: Mapping[bytes, bytes]) -> tuple[int, ...]:
    """Levels of 16 bits, one of grey or three of R, G and B; none where there are none that fit.

    `chunks` holds the payloads of IHDR, PLTE and bKGD by their types.
    """
    depth, colour_type = struct.unpack_from(">BB", chunks[b"IHDR"], 8)
    said = chunks.get(b"bKGD", b"")
    if colour_type == _PALETTE:
        start = 3 * said[0] if len(said) == 1 else 0
        entry = chunks.get(b"PLTE", b"")[start : start + 3] if said else b""
        return tuple(257 * level for level in entry) if len(entry) == 3 else ()
    if len(said) != 2 * _LEVELS.get(colour_type, 0):
        return ()
    most = 2**depth - 1
    levels = struct.unpack(f">{len(said) // 2}H", said)
    return tuple((min(level, most) * _TOP + most // 2) // most for level in levels)


def payload_of(levels: tuple[int, ...], channels: int, bits: int) -> bytes | None:
    """The payload of bKGD for a picture without a palette; None for a colour upon grey."""
    wanted = 1 if channels <= 2 else 3
    if wanted < len(levels) and len(set(levels)) > 1:
        return None
    fitting = (levels * 3)[:wanted] if len(levels) == 1 else levels[:wanted]
    most = 2**bits - 1
    return struct.pack(f">{wanted}H", *((level * most + _TOP // 2) // _TOP for level in fitting))
