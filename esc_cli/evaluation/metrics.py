"""PSNR, SSIM and MATLAB-style resizing, as the super-resolution literature computes them.

Images are (..., C, H, W) tensors on any device. Metrics take values in 0..255 and compute in
float64, so that they agree with the published protocol to the last printed digit.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
CUBIC_A = -0.5
"""Keys' parameter, as in MATLAB's imresize."""


def luma(rgb: Tensor) -> Tensor:
    """Y of ITU-R BT.601 in studio range, MATLAB's rgb2ycbcr, not rounded.

    (..., 3, H, W) RGB in 0..255 -> (..., 1, H, W) float64 in 16..235.
    """
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64, device=rgb.device)
    return 16 + (rgb.double() * weights.view(3, 1, 1) / 255).sum(dim=-3, keepdim=True)


def crop_border(image: Tensor, border: int) -> Tensor:
    """The image without `border` pixels on each side."""
    return image if border == 0 else image[..., border:-border, border:-border]


def psnr(sr: Tensor, hr: Tensor) -> float:
    """Peak signal-to-noise ratio in dB for a peak of 255; infinite for equal images."""
    error = (sr.double() - hr.double()).square().mean().item()
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def ssim(sr: Tensor, hr: Tensor) -> float:
    """Structural similarity (Wang et al. 2004), mean over channels and valid positions.

    (C, H, W) in 0..255, at least 11x11; MATLAB's ssim_index: Gaussian window of 11x11, sigma 1.5.
    """
    x, y = sr.double(), hr.double()
    mu_x, mu_y, xx, yy, xy = _blur(torch.stack([x, y, x * x, y * y, x * y]))
    var_x, var_y, cov = xx - mu_x**2, yy - mu_y**2, xy - mu_x * mu_y
    above = (2 * mu_x * mu_y + SSIM_C1) * (2 * cov + SSIM_C2)
    below = (mu_x**2 + mu_y**2 + SSIM_C1) * (var_x + var_y + SSIM_C2)
    similarity: float = (above / below).mean().item()
    return similarity


def _blur(x: Tensor) -> Tensor:
    """Gaussian mean over each 11x11 window that lies inside (..., H, W), rows then columns."""
    return _blur_axis(_blur_axis(x, -2), -1)


def _blur_axis(x: Tensor, axis: int) -> Tensor:
    """Weighted sums of shifted views: torch has no fast float64 convolution on the CPU."""
    length = x.shape[axis] - SSIM_WINDOW + 1
    weights = [math.exp(-((i - SSIM_WINDOW // 2) ** 2) / (2 * SSIM_SIGMA**2)) for i in _TAPS]
    total = sum(weights)
    out = x.narrow(axis, 0, length) * (weights[0] / total)
    for shift in _TAPS[1:]:
        out.add_(x.narrow(axis, shift, length), alpha=weights[shift] / total)
    return out


_TAPS = range(SSIM_WINDOW)


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
