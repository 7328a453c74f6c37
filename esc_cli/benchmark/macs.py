"""How much a network computes: its parameters and multiply-accumulates (MACs)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig
from esc_cli.model.lte import ESCLTE

LAYER_NORM_MACS = 5
"""MACs per value of a LayerNorm, as fvcore counts; the paper's figures follow it."""


def _layer_norm_flops(shape: Any, *_rest: Any, **_options: Any) -> int:
    return 2 * LAYER_NORM_MACS * int(math.prod(shape))


def macs(
    config: NetworkConfig, in_size: tuple[int, int], out_size: tuple[int, int], batch: int = 1
) -> int:
    """MACs of one forward pass on pictures of `in_size`; sizes are (height, width).

    The paper's convention, its "#FLOPs": one per multiplication of convolutions and matrix
    products, attention over windows that are padded to their full size, 5 per value of a
    LayerNorm; nothing for biases, activations, softmax and the resizing of the skip. Counted
    while a network of meta tensors runs, which computes nothing. `out_size` matters to ESC-LTE.
    """
    with torch.device("meta"):
        network = from_config(config).eval()
        x = torch.empty(batch, 3, *in_size)
    counter = FlopCounterMode(
        display=False,
        custom_mapping={torch.ops.aten.native_layer_norm: _layer_norm_flops},
    )
    with torch.no_grad(), counter:
        forward(network, x, out_size)
    return int(counter.get_total_flops()) // 2


def forward(network: Network, x: torch.Tensor, out_size: tuple[int, int]) -> torch.Tensor:
    """One pass: (B, 3, H, W) -> (B, 3, *out_size), which only ESC-LTE has to be told."""
    result: torch.Tensor = network(x, out_size) if isinstance(network, ESCLTE) else network(x)
    return result


def parameter_count(config: NetworkConfig) -> int:
    """Values that training changes."""
    with torch.device("meta"):
        network = from_config(config)
    return sum(parameter.numel() for parameter in network.parameters())
