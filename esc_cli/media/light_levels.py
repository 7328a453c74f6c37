"""How bright a picture in HDR is meant to be: cLLI and mDCV of PNG, clli and mdcv of AVIF and HEIF.

PNG specification, third edition, 11.3.2.7 and 11.3.2.8; ISO/IEC 14496-12, 12.1.5.4 and 12.1.5.5.
"""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

Blocks: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""(type, payload) of boxes or of chunks."""

_PER_CANDELA = 10_000  # PNG counts in 0.0001 cd/m2
_LEVELS, _DISPLAY = ">HH", ">8H2I"


def chunks_of(boxes: Blocks) -> Blocks:
    """The chunks of a PNG that say what these boxes say."""
    found = dict(boxes)
    made: list[tuple[bytes, bytes]] = []
    if len(found.get(b"mdcv", b"")) == struct.calcsize(_DISPLAY):
        green, blue, red, rest = _in_parts(found[b"mdcv"])
        made.append((b"mDCV", red + green + blue + rest))
    if len(found.get(b"clli", b"")) == struct.calcsize(_LEVELS):
        numbers = (number * _PER_CANDELA for number in struct.unpack(_LEVELS, found[b"clli"]))
        made.append((b"cLLI", struct.pack(">II", *numbers)))
    return tuple(made)


def boxes_of(chunks: Blocks) -> Blocks:
    """The boxes that say what these chunks of a PNG say."""
    found = dict(chunks)
    made: list[tuple[bytes, bytes]] = []
    if b"mDCV" in found:
        red, green, blue, rest = _in_parts(found[b"mDCV"])
        made.append((b"mdcv", green + blue + red + rest))
    if b"cLLI" in found:
        numbers = struct.unpack(">II", found[b"cLLI"])
        levels = (min(round(number / _PER_CANDELA), 65535) for number in numbers)
        made.append((b"clli", struct.pack(_LEVELS, *levels)))
    return tuple(made)


def _in_parts(display: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Three primaries of (x, y), and what follows them: the white point and two luminances."""
    return display[:4], display[4:8], display[8:12], display[12:]


def heif_options(chunks: Blocks) -> dict[str, Any]:
    """The same as options of pillow-heif."""
    boxes, options = dict(boxes_of(chunks)), {}
    if b"clli" in boxes:
        most, average = struct.unpack(_LEVELS, boxes[b"clli"])
        levels = {"max_content_light_level": most, "max_pic_average_light_level": average}
        options["content_light_level"] = levels
    if b"mdcv" in boxes:
        numbers = struct.unpack(_DISPLAY, boxes[b"mdcv"])
        options["mastering_display_colour_volume"] = {
            "display_primaries_x": numbers[0:6:2],
            "display_primaries_y": numbers[1:6:2],
            "white_point_x": numbers[6],
            "white_point_y": numbers[7],
            "max_display_mastering_luminance": numbers[8],
            "min_display_mastering_luminance": numbers[9],
        }
    return options
