"""Linear light of any range -> [0, 1] as networks know it, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.floating import SRGB_FACTOR, SRGB_POWER, srgb_curve, srgb_light

FloatPixels = NDArray[np.float32]

_ABOVE = SRGB_FACTOR / SRGB_POWER
"""The slope of sRGB's function at white, with which the logarithm goes on."""
_USUAL = 1 / 64, 64.0
"""Of pictures whose bright parts lie between, 1 is taken for white as it is."""
_BRIGHT = 0.99
_LOOKED_AT = 1 << 20  # numbers of which the bright parts are judged
_AT_ONCE = 1 << 16  # numbers that are changed


@dataclass(frozen=True)
class ToneCurve:
    """The curve of sRGB up to white, a logarithm above, and the same mirrored below 0.

    unit: the light that is white. low, high: what the ends of the curve for a picture become 0 and
    1. Every step is turned back by `light`, so that nothing of the range is cut off.
    """

    unit: float
    low: float
    high: float

    @classmethod
    def of(cls, light: FloatPixels) -> ToneCurve:
        """The curve for a picture of finite numbers in any shape.

        Light between 0 and 1 goes by the curve of sRGB alone.
        """
        unit = _unit(light)
        ends = np.array([light.min(), light.max()], np.float32) / np.float32(unit)
        low, high = (float(end) for end in _curve(ends))
        if low <= 1:
            low = min(low, 0.0)
        return cls(unit, low, max(high, 1.0) if low < 1 else max(high, low + 1))

    def bent(self, light: FloatPixels) -> FloatPixels:
        """Light, all of it in the range of the picture, -> [0, 1]."""
        low, span = np.float32(self.low), np.float32(self.high - self.low)
        return _by_bands(lambda band: (_curve(band / np.float32(self.unit)) - low) / span, light)

    def light(self, bent: FloatPixels) -> FloatPixels:
        """The light of numbers in [0, 1]; what lies outside is cut off."""
        low, span = np.float32(self.low), np.float32(self.high - self.low)
        unit = np.float32(self.unit)
        return _by_bands(lambda band: _uncurved(band.clip(0, 1) * span + low) * unit, bent)


def _by_bands(change: Callable[[FloatPixels], FloatPixels], pixels: FloatPixels) -> FloatPixels:
    """Every number changed, some rows after others: whole copies on the way would be many."""
    result = np.empty(pixels.shape, np.float32)
    rows = max(1, _AT_ONCE * len(pixels) // pixels.size)
    for start in range(0, len(pixels), rows):
        result[start : start + rows] = change(pixels[start : start + rows])
    return result


def _unit(light: FloatPixels) -> float:
    """1, or how bright the bright parts are where that is far from it."""
    step = max(1, light.size // _LOOKED_AT)
    sizes = np.abs(light.reshape(-1)[::step])
    bright = float(np.quantile(sizes, _BRIGHT)) or float(np.abs(light).max())
    least, most = _USUAL
    return 1.0 if least <= bright <= most or bright == 0 else bright


def _curve(light: FloatPixels) -> FloatPixels:
    size = np.abs(light)
    made = srgb_curve(np.minimum(size, 1)) + _ABOVE * np.log(np.maximum(size, 1))
    curved: FloatPixels = np.copysign(made, light).astype(np.float32)
    return curved


def _uncurved(curved: FloatPixels) -> FloatPixels:
    size = np.abs(curved)
    made = srgb_light(np.minimum(size, 1)) * np.exp(np.maximum(size - 1, 0) / _ABOVE)
    light: FloatPixels = np.copysign(made, curved).astype(np.float32)
    return light
