"""ESC for classic super-resolution: base, light, XL and tiny."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.body import SharedKernel, Trunk
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import conv
from esc_cli.model.network import Network


class ESCEncoder(SharedKernel):
    """ESC without its head: (B, 3, H, W) -> features (B, C, H, W)."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.proj = conv(3, config.dim, 3)
        self.blocks = Trunk(config)
        self.last = conv(config.dim, config.dim, 3)

    def features(self, x: Tensor) -> Tensor:
        """The features that a head turns into a picture."""
        first = self.proj(x)
        features: Tensor = self.last(self.blocks(first, self.large_conv())) + first
        return features


class ESC(ESCEncoder, Network):
    """ESC with a pixel-shuffle head on top of a nearest-neighbour skip."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.config = config
        self.to_img = conv(config.dim, 3 * config.scale**2, 3)

    def upscale(self, x: Tensor) -> Tensor:
        """Upscale a picture whose sides are at least `smallest_side(config)`."""
        scale = self.config.scale
        nearest = x.repeat_interleave(scale**2, dim=1)  # (B, 3*s*s, H, W)
        return F.pixel_shuffle(self.to_img(self.features(x)) + nearest, scale)
