"""The discriminator of Real-ESRGAN: a U-Net under spectral normalisation, one logit a pixel."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2


def _conv(cin: int, cout: int, kernel: int = 3, stride: int = 1) -> nn.Module:
    layer = nn.Conv2d(cin, cout, kernel, stride, padding=1, bias=False)
    return spectral_norm(layer)


class Critic(nn.Module):
    """(B, 3, H, W) in [0, 1] -> logits (B, 1, H, W); H and W are multiples of 8.

    width: channels of the first level; each of the three below has twice as many.
    """

    def __init__(self, width: int):
        super().__init__()
        self.first = nn.Conv2d(3, width, 3, padding=1)
        self.down = nn.ModuleList(
            _conv(width * 2**level, width * 2 ** (level + 1), 4, 2) for level in range(3)
        )
        self.up = nn.ModuleList(
            _conv(width * 2 ** (level + 1), width * 2**level) for level in (2, 1, 0)
        )
        self.last = nn.ModuleList([_conv(width, width), _conv(width, width)])
        self.out = nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """How real each pixel looks."""
        x = F.leaky_relu(self.first(x), SLOPE)
        skips = []
        for layer in self.down:
            skips.append(x)
            x = F.leaky_relu(layer(x), SLOPE)
        for layer in self.up:
            x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = F.leaky_relu(layer(x), SLOPE) + skips.pop()
        for layer in self.last:
            x = F.leaky_relu(layer(x), SLOPE)
        logits: Tensor = self.out(x)
        return logits
