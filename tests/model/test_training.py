"""Fresh parameters, and gradients that reach all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig
from esc_cli.model.lte import ESCLTE

Seeded = Callable[..., Network]


def without_gradient(network: Network) -> list[str]:
    """Names of the parameters that a backward pass of all outputs leaves alone."""
    torch.manual_seed(1)
    x = torch.rand(2, 3, 9, 11)
    output = network(x, (20, 25)) if isinstance(network, ESCLTE) else network(x)
    (output * torch.rand_like(output)).sum().backward()
    return [
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]


def test_gradients_reach_every_parameter(small: NetworkConfig, seeded: Seeded) -> None:
    assert without_gradient(seeded(small).train()) == []


def test_gradients_of_fresh_parameters_stop_only_at_zero_weights(small_esc: NetworkConfig) -> None:
    torch.manual_seed(0)
    stopped = without_gradient(from_config(small_esc))
    assert stopped
    assert all(".dwc_proj.1." in name for name in stopped)


def test_a_network_can_be_trained_after_an_inference_pass_with_its_window(
    small_esc: NetworkConfig, seeded: Seeded
) -> None:
    config = replace(small_esc, window=7)  # a size that no other test has put into the cache
    with torch.inference_mode():
        seeded(config)(torch.rand(1, 3, 9, 9))
    assert without_gradient(seeded(config).train()) == []


def test_the_fresh_shared_kernel_is_orthogonal(small_esc: NetworkConfig) -> None:
    plk_filter = from_config(replace(small_esc, pdim=8)).state_dict()["plk_filter"]
    rows = plk_filter.flatten(1)  # (P, P * 169)
    torch.testing.assert_close(rows @ rows.T, torch.eye(8), rtol=0, atol=1e-5)


def test_fresh_tables_of_relative_positions_have_a_deviation_of_a_thousandth(
    small_esc: NetworkConfig,
) -> None:
    torch.manual_seed(0)
    state = from_config(replace(small_esc, window=32)).state_dict()
    table = state["blocks.0.attn.relative_position_bias"]  # 7938 values
    assert float(table.std()) == pytest.approx(0.001, rel=0.05)
    assert float(table.mean()) == pytest.approx(0, abs=5e-5)


def test_fresh_flashbias_factors_multiply_to_about_the_same_deviation(
    small_esc: NetworkConfig,
) -> None:
    torch.manual_seed(0)
    state = from_config(replace(small_esc, flashbias_rank=48)).state_dict()
    factor_q = state["blocks.0.attn.flashbias_q"]
    product = factor_q @ state["blocks.0.attn.flashbias_k"].mT
    assert float(product.std()) == pytest.approx(0.001, rel=0.2)


def test_fresh_networks_predict_no_dynamic_kernel(small: NetworkConfig) -> None:
    state = from_config(small).state_dict()
    last = [value for key, value in state.items() if "proj.3." in key and ".plk." in key]
    assert len(last) == 2 * small.n_blocks * small.conv_blocks
    assert not any(value.any() for value in last)


def test_networks_are_built_in_training_mode_in_float32(small: NetworkConfig) -> None:
    network = from_config(small)
    assert network.training
    assert {p.dtype for p in network.parameters()} == {torch.float32}
