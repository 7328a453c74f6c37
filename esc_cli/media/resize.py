"""Resampling of float pictures, by Pillow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resize_lanczos(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """(H, W, C) float32 -> (height, width, C) for a size (width, height).

    Lanczos with 3 lobes, widened when the picture shrinks, so that nothing aliases. Values may
    leave the input's range a little and are not clamped.
    """
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., i])).resize(size, _LANCZOS))
        for i in range(pixels.shape[2])
    ]
    return np.stack(channels, axis=-1)


_LANCZOS = Image.Resampling.LANCZOS
