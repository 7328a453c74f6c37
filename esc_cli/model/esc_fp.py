"""ESC-FP: fewer parameters, from a factored large kernel and narrower ConvFFNs."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.body import FactoredKernel, Trunk, first_map
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import LayerNorm, conv
from esc_cli.model.network import Network
from esc_cli.model.patches import Patch, Patchwork


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

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of a picture and what becomes of them."""
        scale, margin = self.config.scale, 2  # two 3x3 convolutions; bicubic reaches 2 pixels
        trunk = self.blocks(first_map(self.proj, picture, work), self.large_conv(), work)
        for patch in work.patches:
            near, pixels = work.windows(patch, (trunk, margin), (picture, margin))
            features = self.last(self.ln_last(near)) + self.proj(pixels)
            skip = F.interpolate(pixels, scale_factor=scale, mode="bicubic", align_corners=False)
            residual = F.pixel_shuffle(patch.core(self.to_img(features), margin), scale)
            yield patch, residual + patch.core(skip, margin, scale)
