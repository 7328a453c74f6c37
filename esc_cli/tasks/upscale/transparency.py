"""Transparent frames through a network that knows colours alone: colour and opacity apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.resize import resize_box

FloatPixels = NDArray[np.float32]
Enlarge = Callable[[FloatPixels], FloatPixels]


@dataclass(frozen=True)
class Apart:
    """An enlarged frame: colour (height, width, C) and opacity (height, width, 1) in [0, 1].

    clear: (height, width, 1), where the source is clear all around.
    """

    colour: FloatPixels
    opacity: FloatPixels
    clear: NDArray[np.bool_]


def enlarged_apart(
    colour: FloatPixels, alpha: FloatPixels, size: tuple[int, int], enlarge: Enlarge
) -> Apart:
    """(H, W, C) and (H, W, 1) at `size` (width, height), each by `enlarge`.

    Hidden colour gives way to what is visible beside it: neither the hidden colour nor a division
    of two results reaches the edges then. What is clear, or opaque, with its neighbours stays
    exactly that.
    """
    opacity = enlarged_opacity(alpha, size, enlarge)
    if alpha.min() == 1:
        return Apart(enlarge(colour), opacity.values, opacity.clear)
    shown = enlarge(_filled(colour * alpha, alpha)).clip(0, 1)
    return Apart(shown, opacity.values, opacity.clear)


@dataclass(frozen=True)
class Opacity:
    """(height, width, 1) each: an enlarged opacity, and where the source is clear all around."""

    values: FloatPixels
    clear: NDArray[np.bool_]


def enlarged_opacity(alpha: FloatPixels, size: tuple[int, int], enlarge: Enlarge) -> Opacity:
    """(H, W, 1) at `size`; what is clear, or opaque, with its neighbours stays exactly that."""
    if alpha.min() == 1:
        shape = (size[1], size[0], 1)
        return Opacity(np.ones(shape, np.float32), np.zeros(shape, np.bool_))
    opacity = enlarge(alpha).clip(0, 1)
    clear, full = (constant(alpha == level, size) for level in (0, 1))
    opacity[clear], opacity[full] = 0, 1
    return Opacity(opacity, clear)


def constant(mask: NDArray[np.bool_], size: tuple[int, int]) -> NDArray[np.bool_]:
    """(H, W, 1) -> (height, width, 1): where the mask holds in the source and one pixel around."""
    wide = np.pad(mask[..., 0], 1, mode="edge")
    rows = wide[:-2] & wide[1:-1] & wide[2:]
    around = rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:]  # (H, W)
    return resize_box(around.astype(np.float32)[..., None], size) > 1 - 1e-4


def _filled(weighted: FloatPixels, alpha: FloatPixels) -> FloatPixels:
    """The colour of (H, W, C) weighted by (H, W, 1); where that is 0, the mean of what is near.

    Pull and push: the mean of the smallest square around a pixel, of sides 2, 4, 8, ..., that
    holds anything visible (Gortler et al., The Lumigraph, 1996).
    """
    seen = alpha > 0
    own = np.divide(weighted, alpha, out=np.zeros_like(weighted), where=seen)
    if seen.all() or max(alpha.shape[:2]) == 1:
        return own
    coarse = _filled(_halved(weighted), _halved(alpha))
    near = coarse.repeat(2, axis=0).repeat(2, axis=1)[: alpha.shape[0], : alpha.shape[1]]
    return np.where(seen, own, near)


def _halved(pixels: FloatPixels) -> FloatPixels:
    """(H, W, C) -> sums of squares of 2 x 2; beyond the border is 0."""
    height, width = pixels.shape[:2]
    even = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)))
    rows = even[0::2] + even[1::2]
    return rows[:, 0::2] + rows[:, 1::2]
