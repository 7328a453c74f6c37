"""What happens to a photograph before it reaches us, from one generator: no torch, real codecs."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.recompress import Pixels, Subsampling, through_jpeg, through_webp
from esc_cli.media.video.recompress import through_h264
from esc_cli.training.degradation_settings import Photo

Floats = NDArray[np.float32]
Draw = np.random.Generator


def _keys(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic with a = -0.5, as the evaluation's LR is made (see `engine/imresize.py`)."""
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


def _box(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return (x < 0.5 + 1e-9).astype(np.float64)


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(0.0, 1 - x)


def _lanczos(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0.0)


DOWNSAMPLERS: tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], ...] = (
    _keys,
    _box,
    _triangle,
    _lanczos,
)
"""Kernels over the distance in LR pixels, in the order of `Photo.downsamplers`."""


@lru_cache(maxsize=32)
def downsampling(kind: int, side: int, scale: int) -> Floats:
    """The matrix (side, side * scale) that makes one axis smaller; the border repeats."""
    centres = (np.arange(side) + 0.5) * scale - 0.5
    reach = 3 * scale
    taps = np.floor(centres)[:, None].astype(int) + np.arange(-reach, reach + 2)
    weights = DOWNSAMPLERS[kind](np.abs(centres[:, None] - taps) / scale)
    weights /= weights.sum(axis=1, keepdims=True)
    matrix = np.zeros((side, side * scale))
    rows = np.arange(side)[:, None].repeat(taps.shape[1], axis=1)
    np.add.at(matrix, (rows, taps.clip(0, side * scale - 1)), weights)
    return matrix.astype(np.float32)


def gaussian(length: int, sigma: float) -> Floats:
    """The matrix (length, length) that blurs one axis; rows at the border are normalised."""
    places = np.arange(length, dtype=np.float32)
    weights = np.exp(-((places[:, None] - places) ** 2) / (2 * sigma**2))
    normalised: Floats = weights / weights.sum(axis=1, keepdims=True)
    return normalised


def degraded(hr: Pixels, scale: int, photo: Photo, draw: Draw) -> Pixels:
    """LR (H/s, W/s, 3) uint8 from HR (H, W, 3) uint8, whose sides the scale divides.

    All that is random is taken from `draw`.
    """
    lr = _smaller(hr.astype(np.float32), scale, photo, draw)
    if draw.random() < photo.noise:
        lr = lr + _noise(lr, photo, draw)
    return _saved(lr.round().clip(0, 255).astype(np.uint8), photo, draw)


def _smaller(hr: Floats, scale: int, photo: Photo, draw: Draw) -> Floats:
    kind = _chosen(draw, photo.downsamplers)
    blur = draw.random() < photo.blur
    sigmas = draw.uniform(*photo.blur_sigma, size=2) * scale
    axes = []
    for length, sigma in zip(hr.shape[:2], sigmas, strict=True):
        matrix = downsampling(kind, length // scale, scale)
        axes.append(matrix @ gaussian(length, float(sigma)) if blur else matrix)
    return _along_axes(axes[0], hr, axes[1])


def _chosen(draw: Draw, shares: tuple[float, ...]) -> int:
    weights = np.array(shares)
    return int(draw.choice(len(weights), p=weights / weights.sum()))


def _noise(lr: Floats, photo: Photo, draw: Draw) -> Floats:
    sigma = float(draw.uniform(*photo.sigma))
    poisson, grey = draw.random() < photo.poisson, draw.random() < photo.grey
    correlated = draw.random() < photo.correlated
    spread = float(draw.uniform(0.4, 0.9))
    shape = (*lr.shape[:2], 1 if grey else 3)
    noise = draw.standard_normal(shape, dtype=np.float32)
    if correlated:
        noise = _spread(noise, spread)
    if poisson:  # the normal approximation of shot noise: its variance follows the light
        light = lr.mean(axis=2, keepdims=True) if grey else lr
        noise = noise * np.sqrt(light.clip(0, 255) / 127.5)
    return (noise * sigma).astype(np.float32)


def _spread(noise: Floats, sigma: float) -> Floats:
    """Noise blurred and brought back to a standard deviation of 1."""
    rows, columns = (gaussian(side, sigma) for side in noise.shape[:2])
    middle = gaussian(15, sigma)[7]
    return _along_axes(rows / (middle**2).sum(), noise, columns)


def _along_axes(rows: Floats, pixels: Floats, columns: Floats) -> Floats:
    """Matrices (h, H) and (w, W) applied to (H, W, C), which gives (h, w, C)."""
    made: Floats = np.einsum("ih,hwc,jw->ijc", rows, pixels, columns, optimize=True)
    return made


def _saved(pixels: Pixels, photo: Photo, draw: Draw) -> Pixels:
    nothing = max(0.0, 1 - photo.jpeg - photo.webp - photo.h264)
    how = _chosen(draw, (photo.jpeg, photo.webp, nothing, photo.h264))
    if how == 1:
        return through_webp(pixels, round(draw.uniform(*photo.webp_quality)))
    if how == 2:
        return pixels
    if how == 3:
        return _as_film(pixels, photo, draw)
    if draw.random() < photo.twice:
        top, left = (int(offset) for offset in draw.integers(8, size=2))
        shifted = np.pad(pixels, ((top, 0), (left, 0), (0, 0)), mode="edge")
        pixels = _as_jpeg(shifted, photo, draw)[top:, left:]
    return _as_jpeg(pixels, photo, draw)


def _as_film(pixels: Pixels, photo: Photo, draw: Draw) -> Pixels:
    """The second of two frames between which everything moves; the border repeats."""
    down, right = (int(step) for step in draw.integers(-2, 3, size=2))
    around = np.pad(pixels, ((2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = pixels.shape[:2]
    before = around[2 + down : 2 + down + height, 2 + right : 2 + right + width]
    return through_h264((before, pixels), round(draw.uniform(*photo.crf)))


def _as_jpeg(pixels: Pixels, photo: Photo, draw: Draw) -> Pixels:
    subsampling: Subsampling = "4:2:0" if draw.random() < photo.chroma else "4:4:4"
    return through_jpeg(pixels, math.floor(draw.uniform(*photo.quality)), subsampling)
