"""Every network is recognised by its state dict."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from esc_cli.checkpoints.config_from_state import read_config
from esc_cli.checkpoints.loading import network_from_state
from esc_cli.errors import WeightsError
from esc_cli.model import Network, build, from_config
from esc_cli.model.config import VARIANTS, NetworkConfig
from esc_cli.model.families import FAMILIES, Facts

REAL_M = [
    (head, scale, unshuffle)
    for head in FAMILIES["esc-real-m"].heads
    for scale, unshuffle in ((2, 1), (2, 2), (3, 1), (4, 1))
]


def facts_of(network: Network) -> Facts:
    state = network.state_dict()
    meta = state.get("to_img.MetaUpsample")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    on_cpu = meta is not None and meta.device.type == "cpu"
    return Facts(shapes, tuple(meta.tolist()) if on_cpu else None)


def small_real_m(head: str, scale: int, unshuffle: int) -> NetworkConfig:
    return replace(
        VARIANTS["esc-real-m"],
        dim=16,
        pdim=4,
        n_blocks=1,
        conv_blocks=1,
        window=4,
        heads=2,
        hidden=20,
        proj_hidden=24,
        mid_dim=8,
        head=head,  # type: ignore[arg-type]
        scale=scale,
        unshuffle=unshuffle,
    )


@pytest.mark.parametrize("flashbias", [False, True])
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_state_dict_of_a_variant_gives_its_configuration_back(
    variant: str, flashbias: bool
) -> None:
    for scale in FAMILIES[VARIANTS[variant].family].scales:
        device = "cpu" if variant == "esc-real-m" else "meta"  # its buffer has values to read
        with torch.device(device):
            network = build(variant, scale, flashbias=flashbias and VARIANTS[variant].rib is None)
        assert read_config(facts_of(network)) == network.config


@pytest.mark.parametrize("head", FAMILIES["esc-real"].heads)
def test_the_state_dict_of_esc_real_gives_its_head_back(head: str) -> None:
    with torch.device("meta"):
        network = build("esc-real", head=head)  # type: ignore[arg-type]
    assert read_config(facts_of(network)) == network.config
    assert network.config.head == head


@pytest.mark.parametrize(("head", "scale", "unshuffle"), REAL_M)
def test_every_head_of_esc_real_m_runs_and_comes_back_from_its_state_dict(
    head: str, scale: int, unshuffle: int
) -> None:
    torch.manual_seed(0)
    network = from_config(small_real_m(head, scale, unshuffle)).eval()
    again = network_from_state(network.state_dict()).eval()
    assert again.config == network.config
    x = torch.rand(1, 3, 7, 9)
    with torch.inference_mode():
        output = network(x)
        assert torch.equal(again(x), output)
    assert output.shape == (1, 3, 7 * scale, 9 * scale)


@pytest.mark.slow
@pytest.mark.parametrize(("head", "scale", "unshuffle"), REAL_M)
def test_every_head_of_esc_real_m_can_be_built_by_name(
    head: str, scale: int, unshuffle: int
) -> None:
    network = build("esc-real-m", scale, head=head, unshuffle=unshuffle == 2)  # type: ignore[arg-type]
    config = network.config
    assert (config.head, config.scale, config.unshuffle) == (head, scale, unshuffle)
    assert read_config(facts_of(network)) == config


@pytest.mark.parametrize(
    "missing", ["plk_filter", "last.weight", "to_img.weight", "blocks.0.convffns.0.proj.weight"]
)
def test_what_is_missing_to_recognise_a_network_is_named(network: Network, missing: str) -> None:
    shapes = dict(facts_of(network).shapes)
    del shapes[missing]
    with pytest.raises(WeightsError) as caught:
        read_config(Facts(shapes))
    message = str(caught.value)
    assert "expected the keys of an ESC network" in message
    assert f"found no {missing}, but {len(shapes)} keys" in message
