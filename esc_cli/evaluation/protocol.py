"""The protocol of classic super-resolution: how an LR picture is made, how a result is scored.

Pictures are (3, H, W) uint8 RGB tensors. See docs/evaluation.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.engine.imresize import degrade, imresize, rounded
from esc_cli.errors import UnsupportedError
from esc_cli.evaluation.decimals import Metric
from esc_cli.evaluation.metrics import METRICS, SPACES, Space, crop_border, luma

__all__ = [
    "bicubic",
    "border_of",
    "columns",
    "compare",
    "crop_to_multiple",
    "degrade",
    "most_different",
    "rounded",
    "score",
]


def columns(spaces: Iterable[Space] = SPACES) -> dict[str, Metric]:
    """The columns of tables over some colour spaces, by name ("psnr_y"), in their order."""
    found = (metric.column(space) for space in spaces for metric in METRICS.values())
    return {column.name: column for column in found}


def border_of(scale: int, wish: int | None = None) -> int:
    """Pixels that are cut off at each side before a result is scored: the scale, or as wished."""
    return scale if wish is None else wish


def crop_to_multiple(hr: Tensor, scale: int) -> Tensor:
    """The top left part whose sides are multiples of the scale."""
    height, width = hr.shape[-2:]
    return hr[..., : height - height % scale, : width - width % scale]


def bicubic(lr: Tensor, size: tuple[int, int]) -> Tensor:
    """The bicubic baseline: MATLAB-style, rounded to uint8."""
    return rounded(imresize(lr.double() / 255, size))


def compare(sr: Tensor, hr: Tensor, border: int, space: Space) -> dict[str, float]:
    """Every metric of a result, by its name ("psnr"), without `border` pixels on each side.

    Raises UnsupportedError when too little is left for one, such as for an SSIM window.
    """
    largest = max(METRICS.values(), key=lambda metric: metric.least_side)
    if min(hr.shape[-2:]) < 2 * border + largest.least_side:
        size = f"{hr.shape[-1]} x {hr.shape[-2]}"
        what = f"{size} is too small for {largest.label} without {border} pixels a side"
        raise UnsupportedError(what)
    pair = (luma(sr), luma(hr)) if space == "y" else (sr.double(), hr.double())
    inner_sr, inner_hr = (crop_border(image, border) for image in pair)
    return {name: metric.function(inner_sr, inner_hr) for name, metric in METRICS.items()}


def score(sr: Tensor, hr: Tensor, border: int, spaces: Iterable[Space]) -> dict[str, float]:
    """As `compare` over some colour spaces, by column name ("psnr_y")."""
    return {
        f"{name}_{space}": value
        for space in spaces
        for name, value in compare(sr, hr, border, space).items()
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
