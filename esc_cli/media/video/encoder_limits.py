"""How large pictures may be that an encoder is given, known before any work."""

from __future__ import annotations

from dataclasses import dataclass

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.codecs import CODECS, Encoding


@dataclass(frozen=True)
class Limit:
    """The largest sides and the most pixels of a frame, and whose limit that is."""

    width: int
    height: int
    pixels: int
    why: str

    def admits(self, width: int, height: int) -> bool:
        """Whether a size stays within it."""
        return width <= self.width and height <= self.height and width * height <= self.pixels


_LEVEL_6_2 = 35_651_584
"""Of luma: ITU-T H.264, table A-1 (139,264 macroblocks), and H.265, table A.8; VP9 as well."""
_LIMITS = {
    "libx264": Limit(16_384, 16_384, _LEVEL_6_2, "level 6.2, the highest of H.264"),
    "libx265": Limit(16_888, 16_888, _LEVEL_6_2, "level 6.2, the highest that x265 knows"),
    "libvpx-vp9": Limit(65_535, 65_535, _LEVEL_6_2, "level 6.2, the highest of VP9"),
    "libsvtav1": Limit(16_384, 8_704, 16_384 * 8_704, "the largest that SVT-AV1 takes"),
    "prores_ks": Limit(65_535, 65_535, 65_535**2, "the 16 bits of its header"),
    "png": Limit(65_535, 65_535, 65_535**2, "the 16 bits of QuickTime's header"),
    "qtrle": Limit(65_535, 65_535, 65_535**2, "the 16 bits of QuickTime's header"),
}
"""Others tell when they are opened: what NVENC takes depends on the GPU."""
_NAMED = ("h264", "hevc", "av1", "vp9", "ffv1", "prores")


def check_size(encoding: Encoding) -> None:
    """Raise UnsupportedError, naming the codecs that can, for a result over the encoder's limit."""
    width, height = encoding.width, encoding.height
    limit = _LIMITS.get(encoding.encoder)
    if limit is None or limit.admits(width, height):
        return
    what = f"{width} x {height} is too large for {encoding.encoder}: {limit.why}"
    raise UnsupportedError(what, advice=f"--codec {' or '.join(able(width, height))} can")


def able(width: int, height: int) -> tuple[str, ...]:
    """The codecs to name, as --codec has them, whose limit admits a size; ffv1 has none."""
    named = ((name, _LIMITS.get(CODECS[name].encoder)) for name in _NAMED)
    return tuple(name for name, limit in named if limit is None or limit.admits(width, height))
