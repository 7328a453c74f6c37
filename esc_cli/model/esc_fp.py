"""ESC-FP: fewer parameters, from a factored large kernel and narrower ConvFFNs."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.body import FactoredKernel, Trunk
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import LayerNorm, conv
from esc_cli.model.network import Network


class ESCFP(FactoredKernel, Network):
    """ESC-FP with a pixel-shuffle head on top of a bicubic skip."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.config = config
        self.proj = conv(3, config.dim, 3)
        self.blocks = Trunk(config)
        self.ln_last = LayerNorm(config.dim)
        self.last = conv(config.dim, config.dim, 3)
        self.to_img = conv(config.dim, 3 * config.scale**2, 3)

    def upscale(self, x: Tensor) -> Tensor:
        """Upscale a picture whose sides are at least `smallest_side(config)`."""
        scale = self.config.scale
        first = self.proj(x)
        features = self.last(self.ln_last(self.blocks(first, self.large_conv()))) + first
        skip = F.interpolate(x, scale_factor=scale, mode="bicubic", align_corners=False)
        return F.pixel_shuffle(self.to_img(features), scale) + skip
