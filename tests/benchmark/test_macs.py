"""MACs and parameters against what the paper prints."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esc_cli.benchmark.macs import macs, parameter_count
from esc_cli.benchmark.published import SIZE, published_speed
from esc_cli.model.config import FLASHBIAS_RANK, VARIANTS, variant_config

PRINTED = [(name, scale) for name in ("esc", "esc-light", "esc-fp") for scale in (2, 3, 4)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "scale"), PRINTED)
def test_macs_are_those_that_the_paper_prints(name: str, scale: int) -> None:
    printed = published_speed(name, scale)
    assert printed is not None
    assert printed.gmacs is not None
    in_size = (SIZE[0] // scale, SIZE[1] // scale)
    counted = macs(variant_config(name, scale), in_size, SIZE) / 1e9
    assert counted == pytest.approx(printed.gmacs, rel=0.002)


def test_attention_is_counted_over_padded_windows() -> None:
    config = variant_config("esc", 4)
    exact, one_more = (macs(config, (32, width), (128, 4 * width)) for width in (64, 65))
    assert one_more - exact > (exact / 64) * 5


@pytest.mark.slow
@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_can_be_counted_and_a_batch_is_its_pictures(name: str) -> None:
    config = VARIANTS[name]
    one, three = (macs(config, (48, 48), (192, 192), batch) for batch in (1, 3))
    assert three == pytest.approx(3 * one, rel=0.01)  # a single one folds its dynamic kernel


@pytest.mark.slow
def test_factors_of_positions_cost_macs_and_parameters() -> None:
    config = variant_config("esc", 2)
    factored = replace(config, flashbias_rank=FLASHBIAS_RANK)
    assert parameter_count(config) == 946_728
    assert parameter_count(factored) > parameter_count(config)
    assert macs(factored, (32, 32), (64, 64)) > macs(config, (32, 32), (64, 64))
