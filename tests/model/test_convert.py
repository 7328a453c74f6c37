"""State dicts converted to another scale and to FlashBias, against golden vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from esc_cli.model import from_config
from esc_cli.model.attention import expand_table
from esc_cli.model.config import NetworkConfig
from esc_cli.model.convert import table_to_factors, to_flashbias, to_scale

GOLDEN = NetworkConfig(
    family="esc",
    dim=16,
    pdim=4,
    kernel=13,
    n_blocks=2,
    conv_blocks=2,
    window=8,
    heads=2,
    hidden=20,
    proj_hidden=32,
    use_ln=False,
    scale=4,
)
"""The network of esc_x4.safetensors."""

GetGolden = Callable[[str], Any]


@pytest.mark.parametrize("scale", [2, 3])
def test_a_state_converted_to_another_scale_is_the_golden_one(
    scale: int, get_golden: GetGolden
) -> None:
    expected = get_golden(f"esc_x4_loaded_as_x{scale}").tensors
    converted = to_scale(get_golden("esc_x4").state, scale)
    for key in ("to_img.weight", "to_img.bias"):
        torch.testing.assert_close(converted[key], expected[key], rtol=0, atol=1e-6)
    network = from_config(replace(GOLDEN, scale=scale))
    network.load_state_dict(converted, strict=True)
    with torch.inference_mode():
        output = network(expected["input"])
    limit = 1e-4 * float(expected["output"].abs().max())
    assert float((output - expected["output"]).abs().max()) <= limit


def test_a_conversion_leaves_the_state_given_and_its_other_tensors_alone(
    get_golden: GetGolden,
) -> None:
    state = get_golden("esc_x4").state
    converted = to_scale(state, 2)
    assert state["to_img.weight"].shape[0] == 48
    assert all(converted[key] is state[key] for key in state if not key.startswith("to_img."))


@pytest.mark.parametrize("block", [0, 1])
def test_factors_of_a_table_have_the_product_of_the_golden_factors(
    block: int, get_golden: GetGolden
) -> None:
    state, tensors = get_golden("esc_flashbias_r24_x2")
    factor_q, factor_k = table_to_factors(tensors[f"table.{block}"], window=8, rank=24)
    stored_q = state[f"blocks.{block}.attn.flashbias_q"]
    stored_k = state[f"blocks.{block}.attn.flashbias_k"]
    assert factor_q.shape == stored_q.shape
    assert factor_k.shape == stored_k.shape
    expected = stored_q @ stored_k.mT  # single factors are free in sign
    limit = 1e-4 * float(expected.abs().max())
    assert float((factor_q @ factor_k.mT - expected).abs().max()) <= limit


def test_factors_of_full_rank_multiply_to_the_expanded_table(get_golden: GetGolden) -> None:
    table = get_golden("esc_flashbias_r24_x2").tensors["table.0"]
    factor_q, factor_k = table_to_factors(table, window=8, rank=64)
    product, expanded = factor_q @ factor_k.mT, expand_table(table, 8)
    assert float((product - expanded).abs().max()) <= 1e-5 * float(expanded.abs().max())


def test_a_lower_rank_is_further_from_the_table(get_golden: GetGolden) -> None:
    table = get_golden("esc_flashbias_r24_x2").tensors["table.0"]
    expanded = expand_table(table, 8)
    errors = []
    for rank in (4, 16, 40):
        factor_q, factor_k = table_to_factors(table, window=8, rank=rank)
        errors.append(float((factor_q @ factor_k.mT - expanded).norm()))
    assert errors[0] > errors[1] > errors[2] > 0


def test_flashbias_of_full_rank_gives_the_output_of_the_table(get_golden: GetGolden) -> None:
    state, tensors = get_golden("esc_x4")
    network = from_config(replace(GOLDEN, flashbias_rank=64))
    network.load_state_dict(to_flashbias(state, window=8, rank=64), strict=True)
    with torch.inference_mode():
        output = network(tensors["input"])
    limit = 1e-4 * float(tensors["output"].abs().max())
    assert float((output - tensors["output"]).abs().max()) <= limit
