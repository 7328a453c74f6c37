"""The self-ensemble: the mean over the eight flips and quarter turns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine.options import EngineOptions
from esc_cli.model import Network

MakePicture = Callable[[int, int], Tensor]
ENSEMBLE = EngineOptions(device="cpu", self_ensemble=True)


def turned(x: Tensor) -> list[Tensor]:
    """The eight: four quarter turns, and the same mirrored."""
    quarter_turns = [x.rot90(k, (-2, -1)) for k in range(4)]
    return [*quarter_turns, *(turn.flip(-1) for turn in quarter_turns)]


def turned_back(results: list[Tensor]) -> list[Tensor]:
    mirrored_back = [*results[:4], *(result.flip(-1) for result in results[4:])]
    return [result.rot90(-(k % 4), (-2, -1)) for k, result in enumerate(mirrored_back)]


def test_the_self_ensemble_is_the_mean_of_eight_turned_runs(
    small_network: Network, picture: MakePicture
) -> None:
    image = picture(19, 26)
    with torch.inference_mode():
        results = [small_network(turn[None])[0] for turn in turned(image)]
    expected = torch.stack(turned_back(results)).mean(dim=0).clamp(0, 1)
    got = Upscaler(small_network, ENSEMBLE)(image)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    plain = Upscaler(small_network, EngineOptions(device="cpu"))(image)
    assert float((got - plain).abs().max()) > 1e-3


def test_the_self_ensemble_works_tile_by_tile(small_network: Network, picture: MakePicture) -> None:
    image = picture(16, 32)
    in_tiles = EngineOptions(device="cpu", self_ensemble=True, tile=16, overlap=0)
    halves = [Upscaler(small_network, ENSEMBLE)(image[..., i : i + 16]) for i in (0, 16)]
    got = Upscaler(small_network, in_tiles)(image)
    torch.testing.assert_close(got, torch.cat(halves, dim=-1), rtol=0, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 2.3])
def test_turning_the_picture_turns_the_self_ensemble_of_esc_lte(
    small_lte: Network, picture: MakePicture, scale: float
) -> None:
    image, upscaler = picture(20, 30), Upscaler(small_lte, ENSEMBLE)
    expected = upscaler(image, scale=scale)
    results = [upscaler(turn, scale=scale) for turn in turned(image)]
    for result in turned_back(results):
        torch.testing.assert_close(result, expected, rtol=0, atol=1e-4)
    plain = Upscaler(small_lte, EngineOptions(device="cpu"))(image, scale=scale)
    assert float((expected - plain).abs().max()) > 1e-3
