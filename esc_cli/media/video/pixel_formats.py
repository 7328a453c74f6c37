"""Pixel formats as values: how many bits, how the chroma is sampled. No codec."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from esc_cli.errors import UnsupportedError


@dataclass(frozen=True)
class Layout:
    """A planar pixel format. `name` is FFmpeg's.

    kind: "yuv" with planes Y, Cb, Cr; "gray" with Y; "rgb" with G, B, R (FFmpeg's order).
    bits: per sample, in uint8 up to 8 and in uint16 above. sub_x, sub_y: samples of luma per
    sample of chroma along an axis.
    """

    name: str
    kind: str
    bits: int
    sub_x: int = 1
    sub_y: int = 1

    def plane_sizes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane of a frame."""
        if self.kind == "gray":
            return ((height, width),)
        chroma = (-(-height // self.sub_y), -(-width // self.sub_x))
        return ((height, width), chroma, chroma)

    @property
    def bytes_per_sample(self) -> int:
        """1 or 2."""
        return 1 if self.bits <= 8 else 2


# Formats whose samples only lie in another order; FFmpeg rearranges them without a loss.
_REARRANGED = {
    **dict.fromkeys(("nv12", "nv21"), "yuv420p"),
    **dict.fromkeys(("nv16", "yuyv422", "uyvy422", "yvyu422"), "yuv422p"),
    **dict.fromkeys(("nv24", "nv42"), "yuv444p"),
    **dict.fromkeys(("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr"), "gbrp"),
    "uyyvyy411": "yuv411p",
    "p010le": "yuv420p10le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "y210le": "yuv422p10le",
}
_SUBSAMPLING = {"411": (4, 1), "420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2)}
_YUV = re.compile(r"yuvj?(411|420|422|444|440)p(?:(9|10|12|14|16)le)?\Z")
_PLAIN = re.compile(r"(gray|gbrp)(?:(9|10|12|14|16)le)?\Z")


def planar(name: str) -> Layout:
    """The layout in which frames of a pixel format are read, equal to it but for the order.

    Raises UnsupportedError, naming the format, for transparency, palettes and rare sampling.
    """
    own = _REARRANGED.get(name, name)
    if match := _YUV.match(own):
        sub_x, sub_y = _SUBSAMPLING[match[1]]
        return Layout(own, "yuv", int(match[2] or 8), sub_x, sub_y)
    if match := _PLAIN.match(own):
        return Layout(own, "rgb" if match[1] == "gbrp" else "gray", int(match[2] or 8))
    if "a" in name.removeprefix("gray"):
        raise UnsupportedError(f"videos with transparency ({name}) are not supported")
    advice = "convert it first, e.g. to yuv444p"
    raise UnsupportedError(f"the pixel format {name} is not supported", advice=advice)


def closest(source: Layout, names: Iterable[str]) -> Layout | None:
    """The format that keeps most of `source` among those that an encoder takes, else None.

    Bits count most, then the sampling of the chroma, then the kind; more than needed is waste.
    """
    known = [planar(name) for name in names if _YUV.match(name) or _PLAIN.match(name)]
    known = [layout for layout in known if "yuvj" not in layout.name]
    return min(known, key=lambda layout: _loss(source, layout), default=None)


def _loss(source: Layout, other: Layout) -> tuple[int, ...]:
    fewer_bits = max(0, source.bits - other.bits)
    less_chroma = max(0, other.sub_x - source.sub_x) + max(0, other.sub_y - source.sub_y)
    drops_colour = int(other.kind == "gray" and source.kind != "gray")
    waste = abs(other.bits - source.bits) + abs(other.sub_x - source.sub_x)
    other_kind = int(source.kind != other.kind)
    return fewer_bits, drops_colour, less_chroma, other_kind, waste, abs(other.sub_y - source.sub_y)
