"""Window attention with Rank-factorized Implicit neural Bias, and its choice among the others.

Lee, Yun, Im and Ro, "Rank-Factorized Implicit Neural Bias: Scaling Super-Resolution Transformer
with FlashAttention", arXiv 2603.06738. Shapes as in `model.attention`.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.attention import FactoredBiasAttention, FlashBiasAttention, WindowAttention
from esc_cli.model.config import NetworkConfig, Rib
from esc_cli.model.layers import conv
from esc_cli.model.patches import Patch

FRESH_STD: Final = 0.05
"""Standard deviation of fresh parameters of the positions."""


def positions(window: int, frequencies: int, device: torch.device) -> Tensor:
    """Each token's place: (N, 2 + 4 * frequencies), float32.

    x and y in [-1, 1], of the middles of pixels, then for each power of two from 1 up the sines
    of both times it, and the cosines.
    """
    side = (2 * torch.arange(window, dtype=torch.float32, device=device) + 1) / window - 1
    y, x = torch.meshgrid(side, side, indexing="ij")
    places = torch.stack([x, y], dim=-1).reshape(-1, 2)
    waves = [places * 2**power for power in range(frequencies)]
    return torch.cat([places, *(f(wave) for wave in waves for f in (torch.sin, torch.cos))], dim=-1)


class RibAttention(FactoredBiasAttention):
    """One whose factors are made from the places of the tokens, and whose result is gated.

    Keys `to_hidden`, `hidden_b`, `to_q` and `to_k` make the factors by way of a hidden layer,
    `gate` the gates from the same input, which it reads with a margin of 1.
    """

    margin = 1

    def __init__(self, dim: int, window: int, heads: int, rib: Rib):
        self.rib = rib
        super().__init__(dim, window, heads)
        self.gate = nn.Sequential(conv(dim, dim, 3, groups=dim), conv(dim, dim, 1), nn.Sigmoid())

    def _add_positions(self) -> None:
        rib = self.rib
        self.to_hidden = nn.Parameter(torch.empty(2 + 4 * rib.frequencies, rib.hidden))
        self.hidden_b = nn.Parameter(torch.zeros(1, rib.hidden))
        self.to_q = nn.Parameter(torch.empty(self.heads, rib.hidden, rib.rank))
        self.to_k = nn.Parameter(torch.empty(self.heads, rib.hidden, rib.rank))
        for parameter in (self.to_hidden, self.to_q, self.to_k):
            nn.init.normal_(parameter, std=FRESH_STD)

    def factors(self) -> tuple[Tensor, Tensor]:
        """In float32, whatever the network computes in: places are told apart by their digits."""
        places = positions(self.window, self.rib.frequencies, self.to_hidden.device)
        hidden = F.relu(places @ self.to_hidden.float() + self.hidden_b.float())  # (N, hidden)
        share = self.rib.rank**-0.5
        return hidden @ self.to_q.float() * share, hidden @ self.to_k.float()

    def gates(self, x: Tensor, patch: Patch) -> Tensor:
        """(B, C, H, W) of a patch, in 0 to 1."""
        near = patch.core(self.gate[0](x), self.margin)
        out: Tensor = self.gate[2](self.gate[1](near))
        return out


def attention_of(config: NetworkConfig) -> WindowAttention:
    """The attention of a network's blocks: with a table, with FlashBias factors, or with RIB."""
    place = config.dim, config.window, config.heads
    if config.rib is not None:
        return RibAttention(*place, config.rib)
    if config.flashbias_rank is not None:
        return FlashBiasAttention(*place, config.flashbias_rank)
    return WindowAttention(*place)
