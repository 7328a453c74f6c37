"""Parameter counts: those of the paper and of the published checkpoints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch

from esc_cli.model import build
from esc_cli.model.config import VARIANTS

PUBLISHED = {
    ("esc", 2): 946_728,
    ("esc", 3): 955_383,
    ("esc", 4): 967_500,
    ("esc-light", 2): 603_600,
    ("esc-light", 3): 612_255,
    ("esc-light", 4): 624_372,
    ("esc-xl", 2): 12_455_916,
    ("esc-fp", 2): 523_675,
    ("esc-fp", 3): 530_170,
    ("esc-fp", 4): 539_263,
    ("esc-real", 4): 2_265_307,
}
"""(variant, scale) -> parameters."""

OWN = {
    ("esc-tiny", 2): 101_648,
    ("esc-tiny", 3): 105_983,
    ("esc-tiny", 4): 112_052,
    ("esc-rib", 2): 1_007_796,
    ("esc-rib", 3): 1_016_451,
    ("esc-rib", 4): 1_028_568,
    ("esc-real-m", 2): 1_894_779,
    ("esc-lte", None): 1_433_631,
}
"""Counts that nobody published; the README states them."""


@pytest.mark.parametrize(("variant", "scale"), PUBLISHED)
def test_a_variant_has_the_published_number_of_parameters(variant: str, scale: int) -> None:
    with torch.device("meta"):  # no memory and no time for values that are not looked at
        network = build(variant, scale)
    assert sum(p.numel() for p in network.parameters()) == PUBLISHED[variant, scale]


def test_flashbias_replaces_each_table_by_two_factors_of_rank_48() -> None:
    with torch.device("meta"):
        table = sum(p.numel() for p in build("esc", 4).parameters())
        factors = sum(p.numel() for p in build("esc", 4, flashbias=True).parameters())
    blocks, heads, window = 5, 4, 32
    per_block = heads * (2 * window**2 * 48 - (2 * window - 1) ** 2)
    assert factors - table == blocks * per_block


@pytest.mark.parametrize(("variant", "scale"), OWN)
def test_the_others_have_the_number_of_parameters_that_is_stated(
    variant: str, scale: int | None
) -> None:
    with torch.device("meta"):
        network = build(variant, scale)
    assert sum(p.numel() for p in network.parameters()) == OWN[variant, scale]


def test_the_readme_states_the_numbers_of_every_variant() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    counts = PUBLISHED | OWN
    assert {variant for variant, _ in counts} == set(VARIANTS)
    for variant, scale in counts:
        (row,) = re.findall(rf"^\| {variant} \|.*$", readme, re.MULTILINE)
        assert f"{counts[variant, scale]:,}" in row, (variant, scale)
