"""The protocol of classic super-resolution: how an LR picture is made, how a result is scored.

Pictures are (3, H, W) uint8 RGB tensors. See docs/evaluation.md.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.engine.imresize import degrade, imresize, rounded
from esc_cli.errors import UnsupportedError
from esc_cli.evaluation.metrics import SSIM_WINDOW, crop_border, luma, psnr, ssim
from esc_cli.evaluation.results import Metric

__all__ = [
    "METRICS",
    "Space",
    "bicubic",
    "crop_to_multiple",
    "degrade",
    "most_different",
    "rounded",
    "score",
]

Space = Literal["y", "rgb"]

METRICS: dict[str, Metric] = {
    "psnr_y": Metric("psnr_y", "PSNR (Y), dB", 2),
    "ssim_y": Metric("ssim_y", "SSIM (Y)", 4),
    "psnr_rgb": Metric("psnr_rgb", "PSNR (RGB), dB", 2),
    "ssim_rgb": Metric("ssim_rgb", "SSIM (RGB)", 4),
}


def crop_to_multiple(hr: Tensor, scale: int) -> Tensor:
    """The top left part whose sides are multiples of the scale."""
    height, width = hr.shape[-2:]
    return hr[..., : height - height % scale, : width - width % scale]


def bicubic(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """The bicubic baseline: MATLAB-style, rounded to uint8."""
    return rounded(imresize(lr.double() / 255, size))


def score(sr: Tensor, hr: Tensor, border: int, space: Space) -> dict[str, float]:
    """PSNR and SSIM of a result, by metric name, without `border` pixels on each side.

    Raises UnsupportedError when too little is left for an SSIM window.
    """
    if min(hr.shape[-2:]) < 2 * border + SSIM_WINDOW:
        size = f"{hr.shape[-1]} x {hr.shape[-2]}"
        raise UnsupportedError(f"{size} is too small for SSIM without {border} pixels a side")
    pair = (luma(sr), luma(hr)) if space == "y" else (sr.double(), hr.double())
    inner_sr, inner_hr = (crop_border(image, border) for image in pair)
    return {
        f"psnr_{space}": psnr(inner_sr, inner_hr),
        f"ssim_{space}": ssim(inner_sr, inner_hr),
    }


def most_different(pictures: list[Tensor], side: int) -> tuple[int, int]:
    """(top, left) of the square of `side` pixels in which the pictures differ most.

    Pictures are (3, H, W) uint8 of one size; the side is at most H and W.
    """
    stacked = torch.stack([luma(picture) for picture in pictures])
    spread = (stacked.amax(dim=0) - stacked.amin(dim=0)).unsqueeze(0)  # (1, 1, H, W)
    means = F.avg_pool2d(spread, side, stride=max(1, side // 8))
    top, left = divmod(int(means.argmax()), means.shape[-1])
    return top * max(1, side // 8), left * max(1, side // 8)
