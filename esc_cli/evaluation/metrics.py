"""Full-reference metrics, as the super-resolution literature computes them: one table of them.

Images are (..., C, H, W) tensors on any device. Metrics take values in 0..255 and compute in
float64, so that they agree with the published protocol to the last printed digit. A new one is an
entry of `METRICS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from esc_cli.engine.imresize import imresize
from esc_cli.evaluation.decimals import (
    PSNR_DIGITS,
    SSIM_DIGITS,
    VALIDATION_PSNR_DIGITS,
    VALIDATION_SSIM_DIGITS,
    Metric,
)

__all__ = [
    "METRICS",
    "SPACES",
    "FullReference",
    "Space",
    "crop_border",
    "imresize",
    "luma",
    "psnr",
    "ssim",
]

Space = Literal["y", "rgb"]
SPACES: tuple[Space, ...] = ("y", "rgb")

SSIM_WINDOW, SSIM_SIGMA = 11, 1.5
SSIM_C1, SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


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


@dataclass(frozen=True)
class FullReference:
    """What is known of a metric that compares a result with its reference.

    name: in records of training; with a colour space, "psnr_y", that of a column. function: takes
    (sr, hr), (C, H, W) float64 in 0..255 without a border, of 1 channel (Y) or 3. digits: decimals
    as papers print them; `validation_digits` while a network trains, where less is a difference.
    least_side: of what is compared, in pixels.
    """

    name: str
    label: str
    function: Callable[[Tensor, Tensor], float]
    digits: int
    validation_digits: int
    unit: str = ""
    lower_is_better: bool = False
    least_side: int = 1

    def column(self, space: Space) -> Metric:
        """The metric over a colour space, as tables and files have it."""
        label = f"{self.label} ({space.upper()})" + (f", {self.unit}" if self.unit else "")
        return Metric(f"{self.name}_{space}", label, self.digits, self.lower_is_better)

    def validated(self, value: float) -> str:
        """A mean as it is printed while a network trains, with its unit."""
        return f"{value:.{self.validation_digits}f} {self.unit}".rstrip()


METRICS: dict[str, FullReference] = {
    metric.name: metric
    for metric in (
        FullReference(
            "psnr",
            "PSNR",
            psnr,
            digits=PSNR_DIGITS,
            validation_digits=VALIDATION_PSNR_DIGITS,
            unit="dB",
        ),
        FullReference(
            "ssim",
            "SSIM",
            ssim,
            digits=SSIM_DIGITS,
            validation_digits=VALIDATION_SSIM_DIGITS,
            least_side=SSIM_WINDOW,
        ),
    )
}
"""Every full-reference metric, in the order of its columns."""
