"""Pixel formats as values: how many bits, how the chroma is sampled. No codec."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.packed_rgb import is_packed


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
    **dict.fromkeys(("vuyx", "vyu444"), "yuv444p"),
    **dict.fromkeys(("rgb48le", "bgr48le", "rgb48be", "bgr48be"), "gbrp16le"),
    **dict.fromkeys(("rgba", "bgra", "argb", "abgr"), "gbrap"),
    **dict.fromkeys(("rgba64le", "rgba64be"), "gbrap16le"),
    **dict.fromkeys(("x2rgb10le", "x2bgr10le"), "gbrp10le"),
    **dict.fromkeys(("xv30le", "v30xle"), "yuv444p10le"),
    **dict.fromkeys(("nv20le", "nv20be", "y210le"), "yuv422p10le"),
    "gray16be": "gray16le",
    "ya16be": "ya16le",
    "uyyvyy411": "yuv411p",
    "p010le": "yuv420p10le",
    "y212le": "yuv422p12le",
    "y216le": "yuv422p16le",
    "xv36le": "yuv444p12le",
    "xv48le": "yuv444p16le",
}
_SEMI_PLANAR = re.compile(r"p([024])(10|12|16)(?:le|be)\Z")
# What is only read: single bits, mosaics, linear light, the colours of cinemas, as for a player.
_COMPUTED = {
    **dict.fromkeys(("monow", "monob"), "gray"),
    **dict.fromkeys(("gbrpf32le", "rgbf32le"), "gbrp16le"),
    "grayf32le": "gray16le",
    "xyz12le": "gbrp16le",
}
_MOSAIC = re.compile(r"bayer_[bgr]{4}(8|16)(?:le|be)?\Z")
_SUBSAMPLING = {
    **{"410": (4, 4), "411": (4, 1), "420": (2, 2)},
    **{"422": (2, 1), "444": (1, 1), "440": (1, 2)},
}
_YUV = re.compile(r"yuv(j|a)?(410|411|420|422|444|440)p(?:(9|10|12|14|16)le)?\Z")
_PLAIN = re.compile(r"(gray|gbrp|gbrap)(?:(9|10|12|14|16)le)?\Z")
_GREY_ALPHA = re.compile(r"ya(8|16)(?:le)?\Z")


def planar(name: str) -> Layout:
    """The layout in which frames of a pixel format are read: as it is, but for the order of its
    samples, the width of their integers, and palettes.

    Raises UnsupportedError, naming the format, for rare kinds.
    """
    own = _planar_name(name)
    packed = name if name in _REARRANGED else ""
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


def _planar_name(name: str) -> str:
    """FFmpeg's name of the planar format, little-endian, that holds the samples of another."""
    if name in _REARRANGED or name in _COMPUTED:
        return _REARRANGED.get(name) or _COMPUTED[name]
    if is_packed(name):
        return "gbrp"
    if match := _SEMI_PLANAR.match(name):
        sampling = {"0": "420", "2": "422", "4": "444"}[match[1]]
        return f"yuv{sampling}p{match[2]}le"
    if match := _MOSAIC.match(name):
        return "gbrp" if match[1] == "8" else "gbrp16le"
    return name.removesuffix("be") + "le" if name.endswith("be") else name


def step_to_planar(name: str) -> str | None:
    """The format by which FFmpeg's scaler gets from one to `planar`'s without YUV between."""
    if name == "xyz12le" or (_MOSAIC.match(name) and "16" in name):
        return "rgb48le"
    return "rgb24" if _MOSAIC.match(name) else None


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
