"""A small ESC network and its state dict."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli.model import Network, from_config
from esc_cli.model.config import VARIANTS


@pytest.fixture
def network() -> Network:
    """A small classic ESC, x2, with seeded parameters."""
    torch.manual_seed(0)
    small = replace(
        VARIANTS["esc"],
        dim=8,
        pdim=4,
        n_blocks=1,
        conv_blocks=1,
        window=4,
        heads=2,
        hidden=10,
        proj_hidden=12,
        scale=2,
    )
    return from_config(small)


@pytest.fixture
def state(network: Network) -> dict[str, Tensor]:
    """The network's state dict, as copies."""
    return {key: value.clone() for key, value in network.state_dict().items()}
