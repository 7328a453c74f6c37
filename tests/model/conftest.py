"""Golden files opened, and small networks of every family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from esc_cli.model import Network, from_config
from esc_cli.model.config import VARIANTS, NetworkConfig, Rib

State = dict[str, Tensor]
GetGolden = Callable[[str], "Golden"]
Seeded = Callable[..., Network]


class Golden(NamedTuple):
    """A golden file: the state dict of its network, and its other tensors by name."""

    state: State
    tensors: State


@pytest.fixture
def get_golden(golden: Path) -> GetGolden:
    """Open a golden file by its name without suffix."""

    def get(name: str) -> Golden:
        tensors = load_file(golden / f"{name}.safetensors")
        state = {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}
        return Golden(state, {k: v for k, v in tensors.items() if not k.startswith("state.")})

    return get


def _small(variant: str, **changes: object) -> NetworkConfig:
    base = replace(
        VARIANTS[variant],
        dim=16,
        pdim=4,
        n_blocks=1,
        conv_blocks=2,
        window=8,
        heads=2,
        hidden=20,
        proj_hidden=24,
        mid_dim=12,
        lte_hidden=16,
        mlp_hidden=(16, 16),
    )
    return replace(base, **changes)


_FIRST = {config.family: variant for variant, config in reversed(VARIANTS.items())}
_CHANGES: dict[str, dict[str, Any]] = {
    "esc": {"scale": 2},
    "esc-fp": {"scale": 3},
    "esc-rib": {"scale": 2, "rib": Rib(6, 8, 3)},
    "esc-real-m": {"scale": 3, "head": "pixelshuffle"},
}
SMALL = {
    **{name: _small(variant, **_CHANGES.get(name, {})) for name, variant in _FIRST.items()},
    "esc with layer norms": _small("esc-xl", scale=3, window=12),
    "esc with FlashBias": _small("esc", scale=2, flashbias_rank=6),
    "esc-real, dysample": _small("esc-real", head="dysample"),
    "esc-real-m, unshuffled": _small("esc-real-m", scale=2, unshuffle=2),
}


@pytest.fixture(params=SMALL.values(), ids=list(SMALL))
def small(request: pytest.FixtureRequest) -> NetworkConfig:
    """A small network of each family in turn."""
    config: NetworkConfig = request.param
    return config


@pytest.fixture
def small_esc() -> NetworkConfig:
    """A small classic ESC, x2."""
    return SMALL["esc"]


@pytest.fixture
def seeded() -> Seeded:
    """Make a network whose zero-initialised parameters are noise, so that all of them count."""

    def make(config: NetworkConfig, seed: int = 0) -> Network:
        torch.manual_seed(seed)
        network = from_config(config)
        with torch.no_grad():
            for parameter in network.parameters():
                if not parameter.any():
                    parameter.normal_(std=0.1)
        return network.eval()

    return make


@pytest.fixture
def small_lte() -> NetworkConfig:
    """A small ESC-LTE."""
    return SMALL["esc-lte"]
