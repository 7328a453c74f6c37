"""Blur kernels of the second-order degradation: (side, side) float64, summing to 1.

Formulas of Real-ESRGAN (Wang et al., 2021, section 3 and its supplement): Gaussians and their
generalised and plateau-shaped forms (Liu et al., 2020), and the circular low-pass (sinc) filter.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

Kernel = NDArray[np.float64]
Shape = Literal["gaussian", "generalised", "plateau"]

KINDS: tuple[tuple[Shape, bool], ...] = (
    ("gaussian", False),
    ("gaussian", True),
    ("generalised", False),
    ("generalised", True),
    ("plateau", False),
    ("plateau", True),
)
"""Shape, and whether the two axes differ; probabilities in recipes follow this order."""


def _positions(side: int) -> tuple[Kernel, Kernel]:
    """Rows and columns from the centre."""
    axis = np.arange(side, dtype=np.float64) - side // 2
    return axis[:, None], axis[None, :]


def bell(side: int, shape: Shape, sigmas: tuple[float, float], angle: float, beta: float) -> Kernel:
    """A bell of an odd side: `sigmas` along its own axes, which are turned by `angle` radians.

    With q the squared distance in sigmas: exp(-q / 2), exp(-q^beta / 2), or 1 / (1 + q^beta).
    """
    rows, columns = _positions(side)
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    squared = (along / sigmas[0]) ** 2 + (across / sigmas[1]) ** 2
    if shape == "plateau":
        kernel = 1 / (1 + squared**beta)
    else:
        kernel = np.exp(-0.5 * squared ** (beta if shape == "generalised" else 1))
    normalised: Kernel = kernel / kernel.sum()
    return normalised


def sinc(side: int, cutoff: float) -> Kernel:
    """The circular low-pass filter with a cut-off in radians, pi at most, on an odd side."""
    rows, columns = _positions(side)
    radius = np.hypot(rows, columns)
    bessel = torch.special.bessel_j1(torch.from_numpy(cutoff * radius)).numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = cutoff * bessel / (2 * math.pi * radius)
    kernel[side // 2, side // 2] = cutoff**2 / (4 * math.pi)
    normalised: Kernel = kernel / kernel.sum()
    return normalised


def centred(kernel: Kernel, side: int) -> Kernel:
    """The kernel in the middle of zeros, (side, side)."""
    margin = (side - len(kernel)) // 2
    return np.pad(kernel, margin)


def pulse(side: int) -> Kernel:
    """The kernel that changes nothing."""
    return centred(np.ones((1, 1)), side)
