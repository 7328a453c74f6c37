"""LR pictures as cameras, scanners and JPEG leave them: fixed copies to measure networks on.

A copy follows from the picture's pixels and the level alone, wherever libjpeg decodes the same.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from esc_cli.media.recompress import Pixels, through_jpeg
from esc_cli.training.photo_degradation import gaussian


@dataclass(frozen=True)
class Level:
    """One thing done to LR: a Gaussian blur and white noise of a standard deviation, in LR pixels
    and in levels of 255, and JPEG 4:2:0 of a quality; 0 leaves each out."""

    blur: float = 0.0
    noise: float = 0.0
    jpeg: int = 0


CLEAN = Level()
LEVELS: dict[str, Level] = {
    "clean": CLEAN,
    "JPEG 90": Level(jpeg=90),
    "JPEG 75": Level(jpeg=75),
    "JPEG 50": Level(jpeg=50),
    "JPEG 30": Level(jpeg=30),
    "noise 5": Level(noise=5),
    "noise 15": Level(noise=15),
    "blur 1": Level(blur=1),
}
"""What is measured, by name."""


def degraded(lr: Tensor, level: Level) -> Tensor:
    """The copy of LR (3, H, W) uint8 at a level, the same shape and type."""
    pixels = lr.permute(1, 2, 0).numpy()
    if level.blur:
        rows, columns = (gaussian(side, level.blur) for side in pixels.shape[:2])
        pixels = _rounded(np.einsum("ih,hwc,jw->ijc", rows, pixels.astype(np.float32), columns))
    if level.noise:
        drawn = np.random.default_rng(zlib.crc32(pixels.tobytes()))
        pixels = _rounded(pixels + drawn.standard_normal(pixels.shape) * level.noise)
    if level.jpeg:
        pixels = through_jpeg(pixels, level.jpeg)
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1)


def _rounded(pixels: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Pixels:
    rounded: Pixels = pixels.round().clip(0, 255).astype(np.uint8)
    return rounded
