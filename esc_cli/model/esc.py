"""ESC for classic super-resolution: base, light, XL and tiny."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.body import SharedKernel, Trunk, first_map
from esc_cli.model.config import NetworkConfig
from esc_cli.model.layers import conv
from esc_cli.model.network import Network
from esc_cli.model.patches import Patch, Patchwork

FEATURE_MARGIN: Final = 1
"""How much of the margin of a patch `features` spoils, at the borders that are not the map's."""


class ESCEncoder(SharedKernel):
    """ESC without its head: (B, 3, H, W) -> features (B, C, H, W)."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.proj = conv(3, config.dim, 3)
        self.blocks = Trunk(config)
        self.last = conv(config.dim, config.dim, 3)

    def trunk(self, picture: Tensor, work: Patchwork) -> Tensor:
        """The map (B, C, H, W) after the blocks."""
        out: Tensor = self.blocks(first_map(self.proj, picture, work), self.large_conv(), work)
        return out

    def features(self, trunk: Tensor, picture: Tensor) -> Tensor:
        """What a head turns into a picture, from a patch of both, right but for FEATURE_MARGIN."""
        out: Tensor = self.last(trunk) + self.proj(picture)
        return out


class ESC(ESCEncoder, Network):
    """ESC with a pixel-shuffle head on top of a nearest-neighbour skip."""

    def __init__(self, config: NetworkConfig):
        super().__init__(config)
        self.config = config
        self.to_img = conv(config.dim, 3 * config.scale**2, 3)

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of a picture and what becomes of them."""
        scale, margin = self.config.scale, FEATURE_MARGIN + 1
        trunk = self.trunk(picture, work)
        for patch in work.patches:
            near, pixels = work.windows(patch, (trunk, margin), (picture, margin))
            nearest = patch.core(pixels, margin).repeat_interleave(scale**2, dim=1)
            residual = patch.core(self.to_img(self.features(near, pixels)), margin)
            yield patch, F.pixel_shuffle(residual + nearest, scale)
