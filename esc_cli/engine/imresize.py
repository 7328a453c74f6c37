"""MATLAB-style bicubic resizing: how the literature makes its LR pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CUBIC_A = -0.5
"""Keys' parameter, as in MATLAB's imresize."""


def rounded(image: Tensor) -> Tensor:
    """Float in [0, 1] (clamped) -> uint8 in 0..255, rounded to nearest."""
    return (image.clamp(0, 1) * 255).round().to(torch.uint8)


def degrade(hr: Tensor, scale: int) -> Tensor:
    """The LR picture of a cropped HR picture: MATLAB-style bicubic, rounded to uint8."""
    size = (hr.shape[-2] // scale, hr.shape[-1] // scale)
    return rounded(imresize(hr.double() / 255, size))


def imresize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """MATLAB's imresize with bicubic interpolation and antialiasing.

    (..., H, W) float -> (..., *size) for a size (height, width). Values are not clamped.
    """
    rows = _weights(image.shape[-2], size[0], image)
    columns = _weights(image.shape[-1], size[1], image)
    return rows @ image @ columns.T


def _weights(length: int, out_length: int, like: Tensor) -> Tensor:
    """The (out_length, length) matrix that resizes one axis.

    The kernel is widened when the axis shrinks; the border is mirrored, its own pixel repeated.
    """
    scale = out_length / length
    widening = max(1.0, 1 / scale)
    support = 4 * widening
    centres = (torch.arange(out_length, dtype=torch.float64) + 0.5) / scale - 0.5
    first = (centres - support / 2).floor().long()
    taps = first[:, None] + torch.arange(math.ceil(support) + 2)
    weights = _cubic((centres[:, None] - taps) / widening)
    weights = weights / weights.sum(dim=1, keepdim=True)
    folded = taps % (2 * length)
    mirrored = torch.where(folded < length, folded, 2 * length - 1 - folded)
    matrix = torch.zeros(out_length, length, dtype=torch.float64)
    return matrix.scatter_add_(1, mirrored, weights).to(like)


def _cubic(x: Tensor) -> Tensor:
    """Keys' cubic convolution kernel, with support 4."""
    x = x.abs()
    near = (CUBIC_A + 2) * x**3 - (CUBIC_A + 3) * x**2 + 1
    far = CUBIC_A * (x**3 - 5 * x**2 + 8 * x - 4)
    return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))
