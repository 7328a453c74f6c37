"""What rides on frames beside their samples: HDR metadata, captions. What encoders take of it."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

Point = tuple[float, float]

_MASTERING, _LIGHT = "MASTERING_DISPLAY_METADATA", "CONTENT_LIGHT_LEVEL"
_RATIONALS = struct.Struct("=20i2i")  # AVMasteringDisplayMetadata: 10 fractions, 2 flags
_LEVELS = struct.Struct("=2I")  # AVContentLightMetadata
_NAMES = {
    "A53_CC": "closed captions",
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
    "AMBIENT_VIEWING_ENVIRONMENT": "the ambient viewing environment",
    "STEREO3D": "the arrangement of stereo pictures",
    "SPHERICAL": "the spherical projection",
    "ICC_PROFILE": "the ICC profile",
}
"""What no encoder can be given here, by FFmpeg's name of the frame's side data."""
_FLAT = ("STEREO3D", bytes(4))  # AVStereo3D begins with its type, AV_STEREO3D_2D: one view
_SETTINGS = {
    "libx264": ("x264-params", "mastering-display", "cll"),
    "libx265": ("x265-params", "master-display", "max-cll"),
    "libsvtav1": ("svtav1-params", "mastering-display", "content-light"),
}


@dataclass(frozen=True)
class Mastering:
    """The display on which a film was graded (SMPTE ST 2086).

    red, green, blue, white: CIE 1931 (x, y). luminance: (most, least) in cd/m2.
    """

    red: Point
    green: Point
    blue: Point
    white: Point
    luminance: Point

    def is_near(self, other: Mastering) -> bool:
        """Whether they differ by no more than the steps in which streams hold them."""
        mine, its = self._values, other._values
        return all(abs(one - two) <= 2e-4 + 1e-4 * two for one, two in zip(mine, its, strict=True))

    @property
    def _values(self) -> tuple[float, ...]:
        points = (self.red, self.green, self.blue, self.white, self.luminance)
        return tuple(chain.from_iterable(points))

    def text(self, encoder: str) -> str:
        """As an encoder takes it; x264 and x265 count in steps of 0.00002 and 0.0001 cd/m2."""
        in_steps = encoder != "libsvtav1"

        def pair(point: Point, steps: int) -> str:
            values = (str(round(v * steps)) if in_steps else f"{v:.5f}" for v in point)
            return f"({','.join(values)})"

        named = (("G", self.green), ("B", self.blue), ("R", self.red), ("WP", self.white))
        colours = "".join(name + pair(point, 50_000) for name, point in named)
        return f"{colours}L{pair(self.luminance, 10_000)}"


@dataclass(frozen=True)
class Riding:
    """What the first frame of a video carries.

    light: the most light of a pixel and of a frame on average, cd/m2 (CTA-861.3, MaxCLL and
    MaxFALL). others: in words, what cannot be given to an encoder.
    """

    mastering: Mastering | None = None
    light: tuple[int, int] | None = None
    others: tuple[str, ...] = ()

    def options(self, encoder: str) -> tuple[tuple[str, str], ...]:
        """The options that make an encoder write it."""
        if encoder not in _SETTINGS or (self.mastering is None and self.light is None):
            return ()
        option, mastering, light = _SETTINGS[encoder]
        parts = []
        if self.mastering is not None:
            parts.append(f"{mastering}={self.mastering.text(encoder)}")
        if self.light is not None:
            parts.append(f"{light}={self.light[0]},{self.light[1]}")
        return ((option, ":".join(parts)),)

    def lost(self, encoder: str) -> tuple[str, ...]:
        """In words, what a result of this encoder will not have."""
        static = []
        if encoder not in _SETTINGS:
            static += ["the mastering display"] if self.mastering is not None else []
            static += ["the light levels"] if self.light is not None else []
        return (*static, *self.others)


def riding_of(blocks: Iterable[tuple[str, bytes]]) -> Riding:
    """What blocks of side data mean, given with FFmpeg's names of their types."""
    found = {name: block for name, block in blocks if (name, block[:4]) != _FLAT}
    content, levels = found.get(_MASTERING, b""), found.get(_LIGHT, b"")
    others = dict.fromkeys(_NAMES[name] for name in found if name in _NAMES)
    return Riding(
        _mastering(content) if len(content) >= _RATIONALS.size else None,
        _LEVELS.unpack_from(levels) if len(levels) >= _LEVELS.size else None,
        tuple(others),
    )


def _mastering(content: bytes) -> Mastering | None:
    """The block, if it holds colours and luminance: encoders take both or none."""
    *terms, has_primaries, has_luminance = _RATIONALS.unpack_from(content)
    if not (has_primaries and has_luminance and all(terms[1::2])):
        return None
    values = [one / other for one, other in zip(terms[::2], terms[1::2], strict=True)]
    points = list(zip(values[::2], values[1::2], strict=True))
    red, green, blue, white, (least, most) = points
    return Mastering(red, green, blue, white, (most, least))


def joined(options: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Options by name; lists of parameters that come more than once follow each other."""
    found: dict[str, str] = {}
    for name, value in options:
        is_list = name in found and name.endswith("-params")
        found[name] = f"{found[name]}:{value}" if is_list else value
    return found
