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
    return _resized(pixels, size, Image.Resampling.LANCZOS)


def resize_box(pixels: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """The same by the mean of the area under each pixel, which never leaves the input's range."""
    return _resized(pixels, size, Image.Resampling.BOX)


def _resized(
    pixels: NDArray[np.float32], size: tuple[int, int], kernel: Image.Resampling
) -> NDArray[np.float32]:
    if (pixels.shape[1], pixels.shape[0]) == size:
        return pixels
    channels = [
        np.asarray(Image.fromarray(np.ascontiguousarray(pixels[..., i])).resize(size, kernel))
        for i in range(pixels.shape[2])
    ]
    return np.stack(channels, axis=-1)
