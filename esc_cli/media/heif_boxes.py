"""What boxes of AVIF and HEIF (ISO/IEC 23008-12) tell besides what Pillow hands on."""

from __future__ import annotations

import re
import struct
from fractions import Fraction
from typing import BinaryIO

from esc_cli.media.animation import Box

_BOXES_BYTES = 1 << 16  # the boxes in front of the pixels
_COLOUR_BOX = re.compile(rb"colrnclx(..)(..)..(.)", re.DOTALL)
# ISO/IEC 23008-12, 6.5.6: version and flags, number of channels, bits of each.
_BITS_BOX = re.compile(rb"pixi\0{4}[\1-\4](.)", re.DOTALL)
_APERTURE_BOX = re.compile(rb"\0\0\0\x28clap(.{32})", re.DOTALL)
_USUAL = frozenset((0, 1, 2, 5, 6, 13))  # sRGB, Rec. 601 and 709, unspecified (ITU-T H.273)


def stored_bits(content: bytes) -> int:
    """The bits per channel that the first pixi box of an AVIF or HEIF states; 8 without one."""
    found = _BITS_BOX.search(content[:_BOXES_BYTES])
    return found[1][0] if found else 8


def coded_colour(stream: BinaryIO) -> tuple[tuple[bytes, bytes], ...]:
    """A cICP chunk for primaries and transfer of an nclx box that are not those of sRGB."""
    stream.seek(0)
    found = _COLOUR_BOX.search(stream.read(_BOXES_BYTES))
    stream.seek(0)
    if found is None:
        return ()
    numbers = found[1][1], found[2][1]
    if _USUAL.issuperset(numbers):
        return ()
    return ((b"cICP", bytes((*numbers, 0, 1))),)  # decoded to full-range RGB


def clean_aperture(stream: BinaryIO, width: int, height: int) -> Box:
    """The part of an AVIF that its clap box leaves (ISO/IEC 14496-12, 12.1.4); all without one.

    One that does not lie on whole pixels inside the picture counts for nothing.
    """
    whole = Box(0, 0, width, height)
    stream.seek(0)
    found = _APERTURE_BOX.search(stream.read(_BOXES_BYTES))
    stream.seek(0)
    numbers = struct.unpack(">8i", found[1]) if found else (0,) * 8
    if not all(numbers[1::2]):
        return whole
    across, down, right, below = map(Fraction, numbers[::2], numbers[1::2])
    left, top = right + (width - across) / 2, below + (height - down) / 2
    inside = 0 <= left <= left + across <= width and 0 <= top <= top + down <= height
    if across < 1 or down < 1 or not inside:
        return whole
    if any(number.denominator != 1 for number in (across, down, left, top)):
        return whole
    return Box(int(left), int(top), int(across), int(down))
