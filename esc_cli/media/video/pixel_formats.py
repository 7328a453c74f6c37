"""Pixel formats as values: how many bits, how the chroma is sampled. No codec."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esc_cli.errors import UnsupportedError


@dataclass(frozen=True)
class Layout:
    """A format of planes. `name` is FFmpeg's.

    kind: "yuv" with planes Y, Cb, Cr; "gray" with Y; "rgb" with G, B, R (FFmpeg's order).
    bits: per sample, in uint8 up to 8 and in uint16 above. sub_x, sub_y: samples of luma per
    sample of chroma along an axis. alpha: whether a last plane holds the opacity, in full range.
    packed: FFmpeg's name of the format with the samples in another order in which an encoder takes
    them, "" for planes.
    """

    name: str
    kind: str
    bits: int
    sub_x: int = 1
    sub_y: int = 1
    alpha: bool = False
    packed: str = ""

    def plane_sizes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """(height, width) of each plane of a frame."""
        luma, chroma = (height, width), (-(-height // self.sub_y), -(-width // self.sub_x))
        colours = (luma,) if self.kind == "gray" else (luma, chroma, chroma)
        return (*colours, luma) if self.alpha else colours

    @property
    def bytes_per_sample(self) -> int:
        """1 or 2."""
        return 1 if self.bits <= 8 else 2

    @property
    def is_interleaved(self) -> bool:
        """Whether FFmpeg has no planes for it: grey and opacity, one after the other."""
        return self.kind == "gray" and self.alpha

    @property
    def coded(self) -> str:
        """FFmpeg's name of what an encoder is given."""
        return self.packed or self.name


# Formats whose samples only lie in another order; FFmpeg rearranges them without a loss.
_REARRANGED = {
    **dict.fromkeys(("nv12", "nv21"), "yuv420p"),
    **dict.fromkeys(("nv16", "yuyv422", "uyvy422", "yvyu422"), "yuv422p"),
    **dict.fromkeys(("nv24", "nv42"), "yuv444p"),
    **dict.fromkeys(("rgb24", "bgr24", "rgb0", "bgr0", "0rgb", "0bgr"), "gbrp"),
    **dict.fromkeys(("rgb48le", "rgb48be"), "gbrp16le"),
    **dict.fromkeys(("rgba", "bgra", "argb", "abgr"), "gbrap"),
    **dict.fromkeys(("rgba64le", "rgba64be"), "gbrap16le"),
    "gray16be": "gray16le",
    "ya16be": "ya16le",
    "uyyvyy411": "yuv411p",
    "p010le": "yuv420p10le",
    "p016le": "yuv420p16le",
    "p210le": "yuv422p10le",
    "y210le": "yuv422p10le",
}
_SUBSAMPLING = {"411": (4, 1), "420": (2, 2), "422": (2, 1), "444": (1, 1), "440": (1, 2)}
_YUV = re.compile(r"yuv(j|a)?(411|420|422|444|440)p(?:(9|10|12|14|16)le)?\Z")
_PLAIN = re.compile(r"(gray|gbrp|gbrap)(?:(9|10|12|14|16)le)?\Z")
_GREY_ALPHA = re.compile(r"ya(8|16)(?:le)?\Z")


def planar(name: str) -> Layout:
    """The layout in which frames of a pixel format are read, equal to it but for the order.

    Raises UnsupportedError, naming the format, for palettes and rare sampling.
    """
    own = _REARRANGED.get(name, name)
    packed = name if own != name else ""
    if match := _YUV.match(own):
        sub_x, sub_y = _SUBSAMPLING[match[2]]
        return Layout(own, "yuv", int(match[3] or 8), sub_x, sub_y, match[1] == "a", packed)
    if match := _PLAIN.match(own):
        kind = "gray" if match[1] == "gray" else "rgb"
        alpha = match[1] == "gbrap"
        return Layout(own, kind, int(match[2] or 8), alpha=alpha, packed=packed)
    if match := _GREY_ALPHA.match(own):
        return Layout(own, "gray", int(match[1]), alpha=True, packed=packed)
    advice = "convert it first, e.g. to yuv444p"
    raise UnsupportedError(f"the pixel format {name} is not supported", advice=advice)


def _known(names: Iterable[str]) -> Iterator[Layout]:
    for name in names:
        own = _REARRANGED.get(name, name)
        if any(form.match(own) for form in (_YUV, _PLAIN, _GREY_ALPHA)) and "yuvj" not in own:
            yield planar(name)


def closest(source: Layout, names: Iterable[str]) -> Layout | None:
    """The format that keeps most of `source` among those that an encoder takes, else None.

    Opacity counts most, then bits, then the sampling of the chroma, then the kind; more than needed
    is waste.
    """
    return min(_known(names), key=lambda layout: _loss(source, layout), default=None)


def _loss(source: Layout, other: Layout) -> tuple[int, ...]:
    other_alpha = int(source.alpha != other.alpha)
    fewer_bits = max(0, source.bits - other.bits)
    less_chroma = max(0, other.sub_x - source.sub_x) + max(0, other.sub_y - source.sub_y)
    drops_colour = int(other.kind == "gray" and source.kind != "gray")
    is_packed = int(bool(other.packed))
    waste = abs(other.bits - source.bits) + abs(other.sub_x - source.sub_x)
    other_kind = int(source.kind != other.kind)
    taller = abs(other.sub_y - source.sub_y)
    loss = (fewer_bits, drops_colour, less_chroma, other_kind, waste, taller, is_packed)
    return (other_alpha, *loss)
