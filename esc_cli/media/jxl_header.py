"""The headers of a JPEG XL codestream (ISO/IEC 18181-1, annexes A, D and E), bit by bit.

The decoder at hand tells nothing of a file without decoding it.
"""

from __future__ import annotations

from dataclasses import dataclass

from esc_cli.errors import ReadError

ALPHA, BLACK = 0, 4
"""Kinds of extra channels."""
_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE = (1, 9), (1, 13), (1, 18), (1, 30)  # (least, bits)
_BITS, _FLOAT_BITS = ((8, 0), (10, 0), (12, 0), (1, 6)), ((32, 0), (16, 0), (24, 0), (1, 6))
_ENUM = (0, 0), (1, 0), (2, 4), (18, 6)
_GREY = 1
_CUSTOM = 2
_SPOT, _CFA = 2, 5


@dataclass(frozen=True)
class JxlHeader:
    """What the header says. `width` and `height` are those that are stored, before `orientation`.

    `extra` has the kind of each extra channel. `xyb`: stored in the colour space of the lossy mode.
    `colour` is (primaries, transfer) as in ITU-T H.273, None for what has no such numbers: an ICC
    profile (`profiled`), or values of the file's own. `depth_at`: the bit at which 8, 10 and 12
    bits of a sample are written as 0, 1 and 2 in two bits, 0 for other depths.
    """

    width: int
    height: int
    orientation: int = 1
    animated: bool = False
    bits: int = 8
    floating: bool = False
    grey: bool = False
    extra: tuple[int, ...] = ()
    premultiplied: bool = False
    xyb: bool = True
    colour: tuple[int, int] | None = (1, 13)
    profiled: bool = False
    depth_at: int = 0


class _Bits:
    """Least significant bit first."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0

    def read(self, count: int) -> int:
        """A number of so many bits. Raises ReadError past the end."""
        end = self.at + count
        if end > 8 * len(self.content):
            raise ReadError("the picture is damaged: its header is cut short")
        part = int.from_bytes(self.content[self.at // 8 : (end + 7) // 8], "little")
        number = part >> self.at % 8 & ((1 << count) - 1)
        self.at = end
        return number

    def choice(self, ways: tuple[tuple[int, int], ...]) -> int:
        """U32 of the standard: two bits say which of four (least, bits)."""
        least, bits = ways[self.read(2)]
        return least + self.read(bits)

    def sides(self) -> tuple[int, int]:
        """(width, height)."""
        small = self.read(1)
        height = 8 * (1 + self.read(5)) if small else self.choice(_SIDE)
        ratio = self.read(3)
        if ratio:
            over, under = _RATIOS[ratio]
            return height * over // under, height
        return (8 * (1 + self.read(5)) if small else self.choice(_SIDE)), height

    def skip_preview(self) -> None:
        """The size of a preview."""
        eighths = self.read(1)
        ways = (
            ((16, 0), (32, 0), (1, 5), (33, 9))
            if eighths
            else ((1, 6), (65, 8), (321, 10), (1345, 12))
        )
        self.choice(ways)
        if not self.read(3):
            self.choice(ways)

    def skip_animation(self) -> None:
        """Ticks, loops and time codes."""
        self.choice(((100, 0), (1000, 0), (1, 10), (1, 30)))
        self.choice(((1, 0), (1001, 0), (1, 8), (1, 10)))
        self.choice(((0, 0), (0, 3), (0, 16), (0, 32)))
        self.read(1)

    def depth(self) -> tuple[int, bool]:
        """(bits of a sample, whether it is a floating-point number)."""
        floating = bool(self.read(1))
        bits = self.choice(_FLOAT_BITS if floating else _BITS)
        if floating:
            self.read(4)
        return bits, floating


def read_header(codestream: bytes) -> JxlHeader:
    """The header of a codestream, from its first bytes. Raises ReadError."""
    bits = _Bits(codestream[2:])
    width, height = bits.sides()
    if bits.read(1):
        return JxlHeader(width, height)
    orientation, animated = 1, False
    if bits.read(1):
        orientation = 1 + bits.read(3)
        if bits.read(1):
            bits.sides()  # intrinsic: how large it is to be shown
        if bits.read(1):
            bits.skip_preview()
        animated = bool(bits.read(1))
        if animated:
            bits.skip_animation()
    depth_at = bits.at + 1
    depth, floating = bits.depth()
    bits.read(1)  # whether 16 bits are enough to decode
    count = bits.choice(((0, 0), (1, 0), (2, 4), (1, 12)))
    extra = [_extra_channel(bits) for _ in range(count)]
    xyb = bool(bits.read(1))
    grey, colour, profiled = _colour(bits)
    return JxlHeader(
        width,
        height,
        orientation,
        animated,
        depth,
        floating,
        grey,
        tuple(kind for kind, _ in extra),
        any(premultiplied for _, premultiplied in extra),
        xyb,
        colour,
        profiled,
        depth_at if depth in (8, 10, 12) and not floating else 0,
    )


def _extra_channel(bits: _Bits) -> tuple[int, bool]:
    """(its kind, whether it is opacity that the colours are multiplied by)."""
    if bits.read(1):
        return ALPHA, False
    kind = bits.choice(_ENUM)
    bits.depth()
    bits.choice(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.read(8 * bits.choice(((0, 0), (0, 4), (16, 5), (48, 10))))  # its name
    if kind == _SPOT:
        bits.read(64)
    if kind == _CFA:
        bits.choice(((1, 0), (0, 2), (3, 4), (19, 8)))
    return kind, kind == ALPHA and bool(bits.read(1))


def _colour(bits: _Bits) -> tuple[bool, tuple[int, int] | None, bool]:
    """(grey, as in `JxlHeader.colour`, whether there is an ICC profile)."""
    if bits.read(1):
        return False, (1, 13), False
    has_profile, grey = bits.read(1), bits.choice(_ENUM) == _GREY
    if has_profile:
        return grey, None, True
    white = bits.choice(_ENUM)
    if white == _CUSTOM:
        return grey, None, False
    primaries = 1 if grey else bits.choice(_ENUM)
    if primaries == _CUSTOM or bits.read(1):  # or a plain exponent
        return grey, None, False
    transfer = bits.choice(_ENUM)
    # P3 with the white of D65 has a number of its own in H.273.
    known = {(1, 1): 1, (1, 9): 9, (1, 11): 12, (11, 11): 11}.get((white, primaries))
    return grey, None if known is None else (known, transfer), False
