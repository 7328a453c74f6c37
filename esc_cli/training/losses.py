"""What is minimised where a result has a target: pixel losses, and one in the frequency domain."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.training.recipe import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]
PIXEL_LOSSES: dict[str, Loss] = {"l1": F.l1_loss, "l2": F.mse_loss}


def frequency_l1(sr: Tensor, target: Tensor) -> Tensor:
    """Mean absolute difference of the real and imaginary parts of the two-dimensional Fourier
    transforms (not normalised) of (N, C, H, W) float32 in 0..1, as in Cho et al., "Rethinking
    Coarse-to-Fine Approach in Single Image Deblurring", ICCV 2021.

    A scalar. It sees a wrong frequency as a whole, where a pixel loss sees a little of it in each
    pixel.
    """
    difference = torch.fft.rfft2(sr - target)
    return torch.view_as_real(difference).abs().mean()


def restoration_loss(recipe: Recipe) -> Loss:
    """(SR, target) in 0..1 -> the recipe's pixel loss and its share of the frequencies' loss."""
    pixel, weight = PIXEL_LOSSES[recipe.pixel_loss], recipe.frequency_weight
    if not weight:
        return pixel
    return lambda sr, target: pixel(sr, target) + weight * frequency_l1(sr, target)
