"""What every network of this package promises."""

from __future__ import annotations

from torch import Tensor, nn

from esc_cli.model.config import NetworkConfig
from esc_cli.model.padding import smallest_side, widen_small


class Network(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> (B, 3, H*s, W*s), float, not clamped.

    H and W are any size from 1 up, B any size; the network pads and crops by itself and never
    changes its input. Each image of a batch gets the result that it would get alone.
    """

    config: NetworkConfig

    def forward(self, x: Tensor) -> Tensor:
        """Upscale by `config.scale`."""
        height, width, scale = x.shape[-2], x.shape[-1], self.config.scale
        out = self.upscale(widen_small(x, smallest_side(self.config)))
        return out[..., : height * scale, : width * scale]

    def upscale(self, x: Tensor) -> Tensor:
        """Upscale a picture whose sides are at least `smallest_side(config)`."""
        raise NotImplementedError
