"""A network run over patches gives what it gives when run whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli.model import Network, from_config
from esc_cli.model.config import VARIANTS, NetworkConfig, Rib
from esc_cli.model.families import FAMILIES
from esc_cli.model.lte import Lattice, axis
from esc_cli.model.network import Part, Working, prepare
from esc_cli.model.patches import Patch, cut

SMALL = replace(
    VARIANTS["esc"],
    dim=16,
    pdim=8,
    n_blocks=2,
    conv_blocks=2,
    window=16,
    heads=2,
    hidden=20,
    proj_hidden=24,
    scale=2,
    mid_dim=12,
    lte_hidden=16,
    mlp_hidden=(16,),
)
REAL_M = replace(SMALL, family="esc-real-m", use_ln=True)
NETWORKS: dict[str, NetworkConfig] = {
    "esc": SMALL,
    "esc x3 with norms": replace(SMALL, use_ln=True, scale=3),
    "flashbias": replace(SMALL, flashbias_rank=4),
    "esc-fp": replace(SMALL, family="esc-fp", use_ln=True),
    "esc-rib": replace(SMALL, family="esc-rib", rib=Rib(6, 8, 3)),
    "esc-real": replace(SMALL, family="esc-real", use_ln=True, scale=4),
    "esc-real dysample": replace(
        SMALL, family="esc-real", use_ln=True, scale=4, head="dysample", mid_dim=16
    ),
    "esc-real-m dysample": replace(REAL_M, head="dysample"),
    "esc-real-m unshuffled": replace(REAL_M, head="pixelshuffle", unshuffle=2),
    "esc-real-m pixelshuffledirect": replace(REAL_M, head="pixelshuffledirect", scale=3),
    "esc-real-m pixelshuffle": replace(REAL_M, head="pixelshuffle", scale=4),
    "esc-real-m nearest": replace(REAL_M, head="nearest+conv", scale=3),
}
BY_POINTS = {"esc-lte"}  # its head has a test of its own


def test_every_family_is_run_over_patches() -> None:
    assert {config.family for config in NETWORKS.values()} | BY_POINTS == set(FAMILIES)


SIZES = [(16 * 3 + 9, 16 * 4 + 3), (70, 33), (41, 50)]
LEAST = Working(pixels=1)
"""Patches of one window each."""


def seeded(config: NetworkConfig) -> Network:
    torch.manual_seed(0)
    network = from_config(config).eval()
    with torch.no_grad():  # what starts at zero must count
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
    return network


def in_patches(network: Network, x: Tensor, working: Working) -> Iterator[Part]:
    network.working = working
    return network.parts(x)


def covered(parts: Iterator[Part], like: Tensor) -> Tensor:
    out = torch.full_like(like, torch.nan)
    for part in parts:
        assert torch.isnan(out[..., part.rows, part.columns]).all(), "covered twice"
        out[..., part.rows, part.columns] = part.pixels
    return out


def assert_close(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_patches_give_the_result_of_the_whole_picture(name: str, size: tuple[int, int]) -> None:
    network = seeded(NETWORKS[name])
    x = torch.rand(1, 3, *size)
    whole = network(x)
    assert len(list(network.parts(x))) == 1
    for pixels in (1, 16 * size[1] * network.config.unshuffle**2):
        assert_close(covered(in_patches(network, x, Working(pixels)), whole), whole)
        assert_close(network(x), whole)


@pytest.mark.parametrize("name", ["esc", "flashbias", "esc-fp", "esc-real"])
@torch.inference_mode()
def test_prepared_for_inference_with_large_windows_the_result_is_the_same(name: str) -> None:
    config, x = replace(NETWORKS[name], window=32, n_blocks=1), torch.rand(2, 3, 70, 41)
    whole = seeded(config)(x)
    for working in (Working(), LEAST):
        assert_close(covered(in_patches(prepare(seeded(config)), x, working), whole), whole)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("scale", [2.0, 4.0, 2.7])
@torch.inference_mode()
def test_patches_of_any_scale_give_the_result_of_the_whole_picture(
    size: tuple[int, int], scale: float
) -> None:
    network = seeded(replace(SMALL, family="esc-lte", scale=0))
    x = torch.rand(1, 3, *size)
    out = tuple(round(side * scale) for side in size)
    lattice = Lattice(*(axis(large, side) for large, side in zip(out, size, strict=True)))
    whole = network(x, out)  # type: ignore[call-arg]
    network.working = LEAST
    assert_close(covered(network.parts(x, lattice), whole), whole)  # type: ignore[call-arg]
    assert_close(network(x, out), whole)  # type: ignore[call-arg]


@torch.inference_mode()
def test_each_picture_of_a_batch_gets_its_own_result_over_patches() -> None:
    network = seeded(SMALL)
    x = torch.rand(3, 3, 50, 60)
    alone = torch.cat([network(image[None]) for image in x])
    network.working = LEAST
    assert_close(network(x), alone)


@torch.inference_mode()
def test_maps_may_live_elsewhere_and_the_input_stays_as_it_was() -> None:
    network = seeded(SMALL)
    x = torch.rand(1, 3, 50, 60)
    before, whole = x.clone(), network(x)
    stored = Working(1, torch.device("cpu"))
    assert_close(covered(in_patches(network, x, stored), whole), whole)
    assert torch.equal(x, before)


class EnoughError(Exception):
    """What a check raises."""


@torch.inference_mode()
@pytest.mark.parametrize("allowed", [0, 7, 40])
def test_the_check_ends_a_pass_between_two_patches(allowed: int) -> None:
    network, calls = seeded(SMALL), 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > allowed:
            raise EnoughError

    network.working = Working(1, check=check)
    with pytest.raises(EnoughError):
        network(torch.rand(1, 3, 64, 48))  # 12 patches, 12 steps
    assert calls == allowed + 1


@torch.inference_mode()
def test_a_prepared_network_gives_the_same_result() -> None:
    network = seeded(SMALL)
    x = torch.rand(1, 3, 40, 50)
    whole = network(x)
    assert_close(prepare(network)(x), whole)
    network.working = LEAST
    assert_close(network(x), whole)


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (17, 24), (25, 33), (100, 7), (64, 64)])
@pytest.mark.parametrize("pixels", [1, 256, 700, 4096])
def test_patches_cover_the_map_from_window_to_window(size: tuple[int, int], pixels: int) -> None:
    patches = cut(*size, 16, pixels)
    seen = torch.zeros(size, dtype=torch.int)
    for patch in patches:
        patch.read(seen).add_(1)
        for extent in (patch.rows, patch.columns):
            assert extent.start % 16 == 0
            assert extent.stop % 16 == 0 or extent.stop == extent.length
            assert extent.stop - extent.start > 8 or extent.start == 0
    assert bool((seen == 1).all())


def test_narrow_maps_are_cut_into_strips_and_wide_ones_into_rectangles_of_some_height() -> None:
    assert [strip(p) for p in cut(160, 100, 16, 5500)] == [(32, 100)] * 5
    assert [strip(p) for p in cut(160, 100, 16, 7000)] == [(64, 100), (64, 100), (32, 100)]
    assert [strip(p) for p in cut(64, 100, 16, 2300)] == [(32, 64), (32, 36)] * 2
    assert {strip(p) for p in cut(96, 1155, 32, 32768)} == {(32, 608), (32, 547)}
    assert {strip(p) for p in cut(96, 100, 24, 5500)} == {(48, 100)}


def strip(patch: Patch) -> tuple[int, int]:
    return patch.rows.stop - patch.rows.start, patch.columns.stop - patch.columns.start
