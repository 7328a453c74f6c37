"""`build`: what exists can be built and used; what does not is refused with the choices."""

from __future__ import annotations

import pytest
import torch

from esc_cli.errors import UsageError
from esc_cli.model import build
from esc_cli.model.config import VARIANTS, variant_name


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        build("esc-huge")
    assert "'esc-huge'" in str(caught.value)
    assert all(name in caught.value.advice for name in VARIANTS)


@pytest.mark.parametrize(
    ("variant", "scale", "choices"),
    [
        ("esc", 5, "2, 3, 4"),
        ("esc", 0, "2, 3, 4"),
        ("esc-fp", 1, "2, 3, 4"),
        ("esc-real", 2, "4"),
        ("esc-real-m", 8, "2, 3, 4"),
        ("esc-lte", 4, "0"),
    ],
)
def test_a_scale_that_a_variant_lacks_is_refused_with_those_it_has(
    variant: str, scale: int, choices: str
) -> None:
    with pytest.raises(UsageError) as caught:
        build(variant, scale)
    assert variant in caught.value.what
    assert str(scale) in caught.value.what
    assert caught.value.advice.endswith(choices)


@pytest.mark.parametrize(
    ("variant", "head", "choices"),
    [
        ("esc", "dysample", "none to choose"),
        ("esc-lte", "dysample", "none to choose"),
        ("esc-real", "pixelshuffle", "nearest+conv, dysample"),
        ("esc-real-m", "conv", "pixelshuffledirect, pixelshuffle, nearest+conv, dysample"),
    ],
)
def test_a_head_that_a_variant_lacks_is_refused_with_those_it_has(
    variant: str, head: str, choices: str
) -> None:
    with pytest.raises(UsageError) as caught:
        build(variant, head=head)  # type: ignore[arg-type]
    assert repr(head) in caught.value.what
    assert choices in caught.value.advice


@pytest.mark.parametrize(("variant", "scale"), [("esc", 2), ("esc-real-m", 3), ("esc-real-m", 4)])
def test_unshuffling_is_refused_where_it_is_impossible(variant: str, scale: int) -> None:
    with pytest.raises(UsageError, match="only esc-real-m at scale 2"):
        build(variant, scale, unshuffle=True)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_without_a_scale_has_that_of_its_table(variant: str) -> None:
    with torch.device("meta"):
        config = build(variant).config
    assert config == VARIANTS[variant]
    assert config.scale == (0 if variant == "esc-lte" else 4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_network_goes_by_the_name_of_its_variant_whatever_its_attention(variant: str) -> None:
    has_table = VARIANTS[variant].rib is None
    with torch.device("meta"):
        assert variant_name(build(variant, flashbias=has_table).config) == variant


def test_flashbias_replaces_tables_alone() -> None:
    with pytest.raises(UsageError, match="esc-rib has no table of positions"):
        build("esc-rib", flashbias=True)


def test_a_network_that_is_no_variant_goes_by_its_family_and_width(small_esc: object) -> None:
    assert variant_name(small_esc) == "esc dim 16"  # type: ignore[arg-type]
