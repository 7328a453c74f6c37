"""Results come to the host part by part; nothing of them depends on how large the parts are."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine import patch_size
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.transfer import Delivery
from esc_cli.model import Network
from esc_cli.model.network import Part

MakePicture = Callable[[int, int], Tensor]
CPU = torch.device("cpu")
LAYOUTS = [
    EngineOptions(device="cpu"),
    EngineOptions(device="cpu", tile=48, overlap=16),
    EngineOptions(device="cpu", self_ensemble=True),
]
SCALES = {"small_network": None, "small_lte": 2.7}


@pytest.fixture(params=SCALES)
def network(request: pytest.FixtureRequest) -> Network:
    made: Network = request.getfixturevalue(request.param)
    return made


@pytest.mark.slow
@pytest.mark.parametrize("options", LAYOUTS, ids=["whole", "tiles", "self-ensemble"])
@pytest.mark.parametrize("size", [(70, 91), (41, 130)])
def test_small_patches_give_the_result_of_one(
    network: Network,
    picture: MakePicture,
    monkeypatch: pytest.MonkeyPatch,
    options: EngineOptions,
    size: tuple[int, int],
) -> None:
    image, scale = picture(*size), 2.7 if network.config.any_scale else None
    assert patch_size.patch_pixels(network.config, CPU) > 91 * 130, "one patch at first"
    whole = Upscaler(network, options)(image, scale)
    monkeypatch.setattr(patch_size, "CPU_PATCH_VALUES", 1)
    parts = Upscaler(network, options)(image, scale)
    torch.testing.assert_close(parts, whole, rtol=0, atol=2e-5)


def test_parts_are_clamped_rounded_and_put_in_their_place() -> None:
    result = torch.zeros(1, 3, 4, 6, dtype=torch.uint8)
    delivery = Delivery(result)
    delivery.put(Part(slice(1, 3), slice(2, 6), torch.full((1, 3, 2, 4), 0.5)))
    delivery.put(Part(slice(0, 1), slice(0, 2), torch.tensor([-3.0, 7.0]).expand(1, 3, 1, 2)))
    assert delivery.finish()
    assert result[0, 1].tolist() == [
        [0, 255, 0, 0, 0, 0],
        [0, 0, 128, 128, 128, 128],
        [0, 0, 128, 128, 128, 128],
        [0, 0, 0, 0, 0, 0],
    ]


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_value_of_one_part_that_is_no_number_is_reported(bad: float, position: int) -> None:
    delivery = Delivery(torch.zeros(1, 3, 3, 2))
    for row in range(3):
        pixels = torch.full((1, 3, 1, 2), 0.5)
        if row == position:
            pixels[0, 2, 0, 1] = bad
        delivery.put(Part(slice(row, row + 1), slice(0, 2), pixels))
    assert not delivery.finish()


def test_the_result_may_stay_where_it_was_computed(
    small_network: Network, picture: MakePicture
) -> None:
    upscaler = Upscaler(small_network, LAYOUTS[0])
    done = upscaler.upscale(picture(20, 30), on_device=True).image
    assert done.device == upscaler.device
    assert torch.equal(done.cpu(), upscaler(picture(20, 30)))
