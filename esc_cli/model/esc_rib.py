"""ESC-RIB: ESC with windows of 64 pixels, whose attention takes no table of positions."""

from __future__ import annotations

from collections.abc import Iterator

import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.body import SharedKernel, Trunk, first_map
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import LayerNorm, conv
from esc_cli.model.network import Network
from esc_cli.model.patches import Patch, Patchwork


class ESCRIB(SharedKernel, Network):
    """ESC-RIB with a pixel-shuffle head on top of a nearest-neighbour skip."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.config = config
        self.proj = conv(3, config.dim, 3)
        self.blocks = Trunk(config)
        self.last = nn.Sequential(LayerNorm(config.dim), conv(config.dim, config.dim, 3))
        head = conv(config.dim, 3 * config.scale**2, 3)
        self.upsampler = nn.ModuleDict({"up_conv": head})

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of a picture and what becomes of them."""
        scale, margin = self.config.scale, 2  # two 3x3 convolutions
        trunk = self.blocks(first_map(self.proj, picture, work), self.large_conv(), work)
        for patch in work.patches:
            near, pixels = work.windows(patch, (trunk, margin), (picture, margin))
            features = self.last(near) + self.proj(pixels)
            residual = patch.core(self.upsampler["up_conv"](features), margin)
            nearest = patch.core(pixels, margin).repeat_interleave(scale**2, dim=1)
            yield patch, F.pixel_shuffle(residual + nearest, scale)
