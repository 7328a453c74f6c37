"""The heads of the ESC-Real families: features (B, C, H, W) -> picture (B, 3, H*s, W*s).

Layer numbers are state-dict keys; layers without parameters keep their place in the count.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.config import NetworkConfig
from esc_cli.model.families import HEADS
from esc_cli.model.layers import conv
from esc_cli.model.patches import Patch

GROUPS = 4
"""Groups of channels that DySample moves independently."""


HEAD_MARGIN = 4
"""Input pixels that every head but DySample sees around a pixel, rounded up: at most 2.75."""


def _factors(scale: int) -> list[int]:
    """Upsampling stages: x4 and x2 go by factors of 2, x3 in one stage."""
    return {1: [], 2: [2], 3: [3], 4: [2, 2]}[scale]


def _nearest(factor: int) -> nn.Module:
    return nn.Upsample(scale_factor=factor, mode="nearest")


def real_head(dim: int) -> nn.Sequential:
    """ESC-Real's own head, x4: two nearest-neighbour steps with convolutions between."""
    return nn.Sequential(
        _nearest(2),
        conv(dim, dim, 3),
        nn.LeakyReLU(0.2),
        _nearest(2),
        conv(dim, dim, 3),
        nn.LeakyReLU(0.2),
        conv(dim, dim, 3),
        nn.LeakyReLU(0.2),
        conv(dim, 3, 3),
    )


class DySample(nn.Module):
    """Upsampling at learned positions (Liu et al., ICCV 2023), bilinear, border padding."""

    init_pos: Tensor

    def __init__(self, dim: int, scale: int):
        super().__init__()
        self.scale = scale
        outputs = 2 * GROUPS * scale**2
        self.offset = conv(dim, outputs, 1)
        self.scope = nn.Conv2d(dim, outputs, 1, bias=False)
        self.end_conv = conv(dim, 3, 1)
        nn.init.trunc_normal_(self.offset.weight, std=0.02)
        nn.init.zeros_(self.scope.weight)
        self.register_buffer("init_pos", self._initial_positions())

    def _initial_positions(self) -> Tensor:
        """Centres of the s x s output pixels inside an input pixel, (1, 2*groups*s*s, 1, 1)."""
        steps = (torch.arange(self.scale) - (self.scale - 1) / 2) / self.scale
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        per_axis = torch.stack([x, y]).reshape(2, 1, -1)  # x first, as grid_sample wants it
        return per_axis.expand(2, GROUPS, -1).reshape(1, -1, 1, 1)

    def forward(self, x: Tensor, patch: Patch, wide: Tensor | None = None) -> Tensor:
        """The whole map (B, C, H, W) -> a patch of the result, (B, 3, h*s, w*s).

        wide: the map in float32, for several patches of the same map.
        """
        near = patch.read(x)
        offset = self.offset(near) * self.scope(near).sigmoid() * 0.5 + self.init_pos
        sampled = self._sample(x.float() if wide is None else wide, offset, patch)
        out: Tensor = self.end_conv(sampled.to(x.dtype))
        return out

    def _sample(self, x: Tensor, offset: Tensor, patch: Patch) -> Tensor:
        batch, channels, height, width = x.shape
        moves = F.pixel_shuffle(offset.float(), self.scale)  # (B, 2*groups, H*s, W*s)
        moves = moves.view(batch, 2, GROUPS, *moves.shape[2:])  # (x or y first)
        # Positions in float32: half precision cannot tell neighbouring pixels of a wide map.
        centres_y = torch.arange(patch.rows.start, patch.rows.stop, device=x.device) + 0.5
        centres_x = torch.arange(patch.columns.start, patch.columns.stop, device=x.device) + 0.5
        columns = centres_x.repeat_interleave(self.scale) + moves[:, 0]  # (B, groups, H*s, W*s)
        rows = centres_y.repeat_interleave(self.scale)[:, None] + moves[:, 1]
        grid = torch.stack([2 * columns / width - 1, 2 * rows / height - 1], dim=-1)
        sampled = F.grid_sample(
            x.reshape(batch * GROUPS, channels // GROUPS, height, width),
            grid.flatten(0, 1),  # (B*groups, H*s, W*s, 2)
            mode="bilinear",
            padding_mode="border",
            align_corners=False,
        )
        return sampled.reshape(batch, channels, *sampled.shape[2:])


class SelectableHead(nn.Sequential):
    """ESC-Real-M's head, chosen by `config.head`; `MetaUpsample` records the choice."""

    def __init__(self, config: NetworkConfig):
        scale, dim, mid = config.scale * config.unshuffle, config.dim, config.mid_dim
        super().__init__(*_head_layers(config.head, scale, dim, mid))
        facts = [2, HEADS.index(config.head), scale, dim, 3, mid, GROUPS]
        self.register_buffer("MetaUpsample", torch.tensor(facts, dtype=torch.uint8))


def _head_layers(head: str, scale: int, dim: int, mid: int) -> list[nn.Module]:
    if head == "conv":
        return [conv(dim, 3, 3)]
    if head == "pixelshuffledirect":
        return [conv(dim, 3 * scale**2, 3), nn.PixelShuffle(scale)]
    if head == "pixelshuffle":
        return _pixelshuffle_layers(scale, dim, mid)
    if head == "nearest+conv":
        return _nearest_layers(scale, dim)
    narrow = [conv(dim, mid, 3), nn.LeakyReLU(0.01)] if mid != dim else []
    return [*narrow, DySample(mid, scale)]


def _pixelshuffle_layers(scale: int, dim: int, mid: int) -> list[nn.Module]:
    layers: list[nn.Module] = [conv(dim, mid, 3), nn.LeakyReLU(0.01)]
    for factor in _factors(scale):
        layers += [conv(mid, factor**2 * mid, 3), nn.PixelShuffle(factor)]
    return [*layers, conv(mid, 3, 3)]


def _nearest_layers(scale: int, dim: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for factor in _factors(scale):
        layers += [conv(dim, dim, 3), _nearest(factor), nn.LeakyReLU(0.2)]
    return [*layers, conv(dim, dim, 3), nn.LeakyReLU(0.2), conv(dim, 3, 3)]
