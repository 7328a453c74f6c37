"""How noisy a picture is, measured on its pixels without a reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
"""(H, W), in levels of 255."""

BLOCK = 16
"""Side of the blocks that are judged, in pixels."""
QUIET_SHARE = 0.1
"""Which of the blocks counts, in order of their noise: texture only ever adds to it."""
MOST_BLOCKS = 4096
"""About how many blocks are judged, spread evenly: more do not change the answer."""
MAD_TO_SIGMA = 1.4826
"""The standard deviation of a normal distribution over its median absolute deviation."""
LUMA = np.array([0.299, 0.587, 0.114], np.float32)


class Noise(NamedTuple):
    """Standard deviations in levels of 255.

    `chroma`: that of one channel, told from the differences of two, which hold little texture; 0
    for grey pictures. `luma`: that of the luma, to which a finely textured picture adds its own.
    """

    chroma: float
    luma: float


def measure_noise(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> Noise:
    """The noise of (H, W, C): grey or RGB, with or without alpha, which is not looked at."""
    levels = _sampled(pixels) / np.float32(257 if pixels.dtype == np.uint16 else 1)
    if pixels.shape[2] < 3:
        return Noise(0.0, _sigma(levels[..., 0]))
    red, green, blue = (levels[..., channel] for channel in range(3))
    chroma = max(_sigma(red - green), _sigma(blue - green)) / np.sqrt(2)
    return Noise(float(chroma), _sigma((levels[..., :3] @ LUMA).astype(np.float32)))


def _sampled(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> NDArray[np.float32]:
    """(N, BLOCK, BLOCK, C): whole blocks, spread evenly over the picture."""
    rows, columns, channels = pixels.shape[0] // BLOCK, pixels.shape[1] // BLOCK, pixels.shape[2]
    whole = pixels[: rows * BLOCK, : columns * BLOCK]
    tiles = whole.reshape(rows, BLOCK, columns, BLOCK, channels).swapaxes(1, 2)
    step = max(1, round((rows * columns / MOST_BLOCKS) ** 0.5))
    chosen = tiles[::step, ::step].reshape(-1, BLOCK, BLOCK, channels)
    return np.asarray(chosen, np.float32)


def _sigma(blocks: NDArray[np.float32]) -> float:
    """The noise of blocks (N, BLOCK, BLOCK); 0 for none.

    The diagonal details of a Haar transform hold white noise unchanged and little of a picture
    (Donoho and Johnstone, "Ideal spatial adaptation by wavelet shrinkage", 1994). Their median
    absolute value is taken in each block, and of the blocks the one at `QUIET_SHARE`.
    """
    if not len(blocks):
        return 0.0
    even, odd = blocks[:, ::2], blocks[:, 1::2]
    details = (even[..., ::2] - even[..., 1::2] - odd[..., ::2] + odd[..., 1::2]) / 2
    deviations = np.median(np.abs(details).reshape(len(details), -1), axis=1)
    return float(np.quantile(deviations, QUIET_SHARE) * MAD_TO_SIGMA)
