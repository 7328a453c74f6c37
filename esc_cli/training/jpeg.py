"""What JPEG does to a picture, in torch on any device: baseline, 4:2:0, as libjpeg does it.

Nothing is entropy-coded, as that loses nothing. Tables of ITU-T T.81, annex K; scaling by quality
of the Independent JPEG Group; chroma averaged 2x2 and enlarged with libjpeg's triangle filter.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

_LUMA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 "
    "62 18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 "
    "98 112 100 103 99"
)
_CHROMA = (
    "17 18 24 47 99 99 99 99 18 21 26 66 99 99 99 99 24 26 56 99 99 99 99 99 47 66 99 99 99 99 99 "
    "99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 99 "
    "99 99"
)
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))
SIDE = 8
"""Side of a block."""


def jpeg(image: Tensor, quality: float) -> Tensor:
    """A picture (B, 3, H, W) RGB in [0, 1] after JPEG at a quality of 1..100, rounded to 1/255.

    The quality is rounded to a whole number, and the picture to 8 bits before.
    """
    height, width = image.shape[-2:]
    pixels = (image.clamp(0, 1) * 255).round()
    padded = F.pad(pixels, (0, -width % 16, 0, -height % 16), mode="replicate")
    ycc = torch.einsum("ij,bjhw->bihw", _matrix(_TO_YCC, image), padded)
    luma, chroma = ycc[:, :1] - 128, ycc[:, 1:]
    luma = _through_blocks(luma.round(), _table(_LUMA, quality, image))
    small = F.avg_pool2d(chroma.round(), 2).round()
    small = _through_blocks(small, _table(_CHROMA, quality, image))
    # As libjpeg: what lies beyond the picture has no part in the enlarging of its chroma.
    large = _enlarged(small[..., : (height + 1) // 2, : (width + 1) // 2])
    planes = [plane[..., :height, :width] for plane in (luma + 128, large)]
    decoded = torch.cat(planes, dim=1)
    rgb = torch.einsum("ij,bjhw->bihw", _matrix(_TO_RGB, image), decoded)
    return rgb.round().clamp(0, 255) / 255


def _matrix(rows: tuple[tuple[float, ...], ...], like: Tensor) -> Tensor:
    return torch.tensor(rows, device=like.device, dtype=like.dtype)


def _table(base: str, quality: float, like: Tensor) -> Tensor:
    """Quantisation steps (8, 8) at a quality."""
    whole = min(100, max(1, round(quality)))
    percent = 5000 // whole if whole < 50 else 200 - 2 * whole
    steps = [min(255, max(1, (int(step) * percent + 50) // 100)) for step in base.split()]
    return torch.tensor(steps, device=like.device, dtype=like.dtype).view(SIDE, SIDE)


@lru_cache(maxsize=4)
def _cosines(device: torch.device, dtype: torch.dtype) -> Tensor:
    """The orthonormal DCT-II: (frequency, position)."""
    frequency, position = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    waves = torch.cos(math.pi * frequency * (2 * position + 1) / (2 * SIDE)) * 0.5
    waves[0] *= 0.5**0.5
    return waves.to(device, dtype)


def _through_blocks(planes: Tensor, table: Tensor) -> Tensor:
    """Quantise the frequencies of each block: (B, C, H, W) around 0 -> the same, rounded."""
    batch, channels, height, width = planes.shape
    cosines = _cosines(planes.device, planes.dtype)
    blocks = planes.reshape(batch, channels, height // SIDE, SIDE, width // SIDE, SIDE)
    blocks = blocks.permute(0, 1, 2, 4, 3, 5)  # (B, C, rows, columns, 8, 8)
    frequencies = cosines @ blocks @ cosines.T
    quantised = (frequencies / table).round() * table
    decoded = (cosines.T @ quantised @ cosines).round().clamp(-128, 127)
    return decoded.permute(0, 1, 2, 4, 3, 5).reshape(batch, channels, height, width)


def _enlarged(planes: Tensor) -> Tensor:
    """Twice the sides, each new pixel 3/4 of the nearer and 1/4 of the farther neighbour."""
    size = (2 * planes.shape[-2], 2 * planes.shape[-1])
    return F.interpolate(planes, size, mode="bilinear", align_corners=False).round()
