"""Networks against the golden vectors: float32 on a CPU, 1e-4 of the largest output."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from esc_cli.checkpoints.config_from_state import read_config
from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig
from esc_cli.model.families import FAMILIES, Facts
from esc_cli.model.layers import geometric_ensemble

TOLERANCE = 1e-4
FIXED_SCALE = {
    "esc_x4": "esc",
    "esc_x4_batch3": "esc",
    "esc_xl_style_x3": "esc",
    "esc_flashbias_r24_x2": "esc",
    "esc_fp_x2": "esc-fp",
    "esc_rib_x2": "esc-rib",
    "esc_real_x4": "esc-real",
    "esc_real_dysample_x4": "esc-real",
    "esc_real_m_dysample_x2": "esc-real-m",
    "esc_real_m_dysample_x4": "esc-real-m",
    "esc_real_m_nearest_conv_x2": "esc-real-m",
    "esc_real_m_nearest_conv_x4": "esc-real-m",
    "esc_real_m_pixelshuffle_x2": "esc-real-m",
    "esc_real_m_pixelshuffle_x4": "esc-real-m",
    "esc_real_m_pixelshuffledirect_x2": "esc-real-m",
    "esc_real_m_pixelshuffledirect_x4": "esc-real-m",
}
"""Golden file -> family of its network."""
ANY_SCALE = {"esc-lte"}  # which has a test of its own


def test_every_family_has_golden_values() -> None:
    assert set(FIXED_SCALE.values()) | ANY_SCALE == set(FAMILIES)


GetGolden = Callable[[str], Any]


def config_of(state: dict[str, Tensor]) -> NetworkConfig:
    meta = state.get("to_img.MetaUpsample")
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    return read_config(Facts(shapes, None if meta is None else tuple(meta.tolist())))


def network_of(state: dict[str, Tensor]) -> Network:
    network = from_config(config_of(state))
    network.load_state_dict(state, strict=True)
    return network.eval()


def assert_agree(output: Tensor, expected: Tensor) -> None:
    assert output.shape == expected.shape
    limit = TOLERANCE * float(expected.abs().max())
    assert float((output - expected).abs().max()) <= limit


@pytest.mark.parametrize("name", FIXED_SCALE)
def test_a_network_read_from_its_state_dict_gives_the_golden_output(
    name: str, get_golden: GetGolden
) -> None:
    state, tensors = get_golden(name)
    network = network_of(state)
    with torch.inference_mode():
        output = network(tensors["input"])
    assert network.config.family == FIXED_SCALE[name]
    assert_agree(output, tensors["output"])


@pytest.mark.parametrize("scale", [2, 3.5, 6])
def test_esc_lte_gives_the_golden_output_at_any_scale(scale: float, get_golden: GetGolden) -> None:
    state, tensors = get_golden("esc_lte")
    expected = tensors[f"output.x{scale}"]
    with torch.inference_mode():
        output = network_of(state)(tensors["input"], tuple(expected.shape[-2:]))
    assert_agree(output, expected)


def test_each_image_of_the_golden_batch_gives_its_output_alone(get_golden: GetGolden) -> None:
    state, tensors = get_golden("esc_x4_batch3")
    network = network_of(state)
    for index in range(3):
        with torch.inference_mode():
            output = network(tensors["input"][index : index + 1])
        assert_agree(output, tensors["output"][index : index + 1])


def test_the_geometric_ensemble_of_the_golden_filter_is_the_golden_one(
    get_golden: GetGolden,
) -> None:
    tensors = get_golden("geo_ensemble").tensors
    ensembled = geometric_ensemble(tensors["filter"])
    torch.testing.assert_close(ensembled, tensors["ensembled"], rtol=0, atol=1e-6)
