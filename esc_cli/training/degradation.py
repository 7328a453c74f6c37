"""The second-order degradation of Real-ESRGAN, on the device of the patch."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.training.degradation_draws import Draw, Kernel, Mode, OrderDraw
from esc_cli.training.jpeg import jpeg

SHARPEN_SIDE, SHARPEN_SIGMA = 51, 8.0
"""The Gaussian of the unsharp mask; OpenCV takes this sigma for a kernel of 51."""
SHARPEN_WEIGHT, SHARPEN_THRESHOLD = 0.5, 10 / 255
LUMA = (0.299, 0.587, 0.114)


def blurred(image: Tensor, kernel: Kernel) -> Tensor:
    """(B, C, H, W) filtered by a kernel of an odd side; the border is mirrored."""
    channels, half = image.shape[1], len(kernel) // 2
    weights = torch.from_numpy(kernel).to(image).expand(channels, 1, -1, -1)
    return F.conv2d(_bordered(image, half), weights, groups=channels)


def _bordered(image: Tensor, width: int) -> Tensor:
    """Mirrored beyond the border; a picture that is smaller than the border repeats its edge."""
    mode = "reflect" if width < min(image.shape[-2:]) else "replicate"
    return F.pad(image, (width, width, width, width), mode=mode)


def resized(image: Tensor, size: tuple[int, int], mode: Mode) -> Tensor:
    """(B, C, H, W) -> (B, C, *size) without antialiasing, as Real-ESRGAN does it."""
    if mode == "area":
        return F.interpolate(image, size, mode="area")
    return F.interpolate(image, size, mode=mode, align_corners=False)


def degraded(hr: Tensor, draw: Draw, scale: int) -> Tensor:
    """LR (1, 3, H/s, W/s), rounded to 1/255, from HR (1, 3, H, W) in [0, 1] and its draws."""
    height, width = hr.shape[-2:]
    noise = torch.Generator(hr.device).manual_seed(draw.noise_seed)
    first, second = draw.first, draw.second
    image = _blurred_and_resized(hr, first, _times((height, width), first.factor))
    image = jpeg(_noisy(image, first, noise), first.quality)
    size = (height // scale, width // scale)
    image = _blurred_and_resized(image, second, _times(size, second.factor))
    image = _noisy(image, second, noise)
    if draw.jpeg_first:
        image = jpeg(image, second.quality)
    image = blurred(resized(image, size, draw.last_mode), draw.last_filter)
    if not draw.jpeg_first:
        image = jpeg(image, second.quality)
    return (image.clamp(0, 1) * 255).round() / 255


def _times(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, int(size[0] * factor)), max(1, int(size[1] * factor))


def _blurred_and_resized(image: Tensor, order: OrderDraw, size: tuple[int, int]) -> Tensor:
    soft = image if order.blur is None else blurred(image, order.blur)
    return resized(soft, size, order.mode)


def _noisy(image: Tensor, order: OrderDraw, noise: torch.Generator) -> Tensor:
    add = _poisson if order.poisson else _gaussian
    return (image + add(image, order, noise)).clamp(0, 1)


def _gaussian(image: Tensor, order: OrderDraw, noise: torch.Generator) -> Tensor:
    channels = 1 if order.grey else image.shape[1]
    shape = (image.shape[0], channels, *image.shape[2:])
    drawn = torch.randn(shape, generator=noise, device=image.device, dtype=image.dtype)
    return drawn * (order.strength / 255)


def _poisson(image: Tensor, order: OrderDraw, noise: torch.Generator) -> Tensor:
    """Shot noise as of a sensor that tells as many levels as the picture has."""
    light = _grey(image) if order.grey else image
    light = (light.clamp(0, 1) * 255).round() / 255
    levels = 2.0 ** math.ceil(math.log2(max(2, len(torch.unique(light)))))
    drawn = torch.poisson(light * levels, generator=noise) / levels
    return (drawn - light) * order.strength


def _grey(image: Tensor) -> Tensor:
    weights = torch.tensor(LUMA, device=image.device, dtype=image.dtype)
    grey: Tensor = (image * weights.view(3, 1, 1)).sum(dim=1, keepdim=True)
    return grey


def sharpened(hr: Tensor) -> Tensor:
    """HR (B, 3, H, W) in [0, 1] after an unsharp mask where it differs from its blurred self."""
    residual = hr - _softened(hr)
    mask = (residual.abs() > SHARPEN_THRESHOLD).to(hr.dtype)
    soft_mask = _softened(mask)
    sharp = (hr + SHARPEN_WEIGHT * residual).clamp(0, 1)
    return soft_mask * sharp + (1 - soft_mask) * hr


def _softened(image: Tensor) -> Tensor:
    """A wide Gaussian, along one axis after the other; the border is mirrored."""
    channels, half = image.shape[1], SHARPEN_SIDE // 2
    places = torch.arange(SHARPEN_SIDE, dtype=torch.float64) - half
    bell = torch.exp(-(places**2) / (2 * SHARPEN_SIGMA**2))
    weights = (bell / bell.sum()).to(image).expand(channels, 1, -1)
    rows = F.conv2d(_bordered(image, half), weights.unsqueeze(-1), groups=channels)
    return F.conv2d(rows, weights.unsqueeze(-2), groups=channels)
