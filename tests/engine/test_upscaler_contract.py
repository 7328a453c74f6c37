"""Number types, clamping, errors of use, interruption, and what an Upscaler leaves alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.errors import StoppedError, UsageError
from esc_cli.model import Network

MakePicture = Callable[[int, int], Tensor]
CPU = EngineOptions(device="cpu", tile=WHOLE)
LEVELS = {torch.uint8: 255, torch.uint16: 65535}


@pytest.mark.parametrize("dtype", LEVELS)
def test_integers_are_read_as_their_share_of_the_largest(
    small_network: Network, picture: MakePicture, dtype: torch.dtype
) -> None:
    integers = (picture(12, 15) * LEVELS[dtype]).round().to(dtype)
    upscaler = Upscaler(small_network, CPU)
    assert torch.equal(upscaler(integers), upscaler(integers.float() / LEVELS[dtype]))


@pytest.mark.parametrize("dtype", LEVELS)
def test_results_are_rounded_to_the_integers_asked_for(
    small_network: Network, picture: MakePicture, dtype: torch.dtype
) -> None:
    upscaler, image = Upscaler(small_network, CPU), picture(12, 15)
    result = upscaler.upscale(image, dtype=dtype).image
    assert result.dtype == dtype
    expected = (upscaler(image).double() * LEVELS[dtype]).round()
    assert float((result.double() - expected).abs().max()) <= 1  # ties of float32
    assert float((result.double() != expected).double().mean()) < 0.01


def test_double_precision_is_accepted(small_network: Network, picture: MakePicture) -> None:
    upscaler, image = Upscaler(small_network, CPU), picture(12, 15)
    assert torch.equal(upscaler(image.double()), upscaler(image))


@pytest.mark.parametrize("dtype", [torch.float32, torch.uint8, torch.uint16])
def test_results_are_clamped(
    small_network: Network, picture: MakePicture, dtype: torch.dtype
) -> None:
    image = picture(12, 15)
    with torch.no_grad():
        small_network.to_img.bias.copy_(torch.tensor([3.0, -3.0] * 6))
        raw = small_network(image[None])[0]
    assert float(raw.max()) > 1
    assert float(raw.min()) < 0
    result = Upscaler(small_network, CPU).upscale(image, dtype=dtype).image.double()
    top = LEVELS.get(dtype, 1)
    assert torch.equal(result == top, raw >= 1)
    assert torch.equal(result == 0, raw <= 0)


def test_the_network_and_the_picture_given_are_not_changed(
    small_network: Network, picture: MakePicture
) -> None:
    small_network.train()
    kept = {key: value.clone() for key, value in small_network.state_dict().items()}
    image = picture(12, 15)
    given = image.clone()
    options = EngineOptions(device="cpu", precision="bf16", self_ensemble=True)
    assert Upscaler(small_network, options).upscale(given).precision == "bf16"
    assert torch.equal(given, image)
    assert small_network.training
    assert all(p.requires_grad and p.grad is None for p in small_network.parameters())
    for key, value in small_network.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, kept[key])


def test_a_lower_precision_gives_about_the_same_picture(
    tiny_x4: Network, picture: MakePicture
) -> None:
    image = picture(24, 30)
    exact = Upscaler(tiny_x4, CPU)(image)
    half = Upscaler(tiny_x4, EngineOptions(device="cpu", precision="bf16")).upscale(image)
    assert half.precision == "bf16"
    assert half.image.dtype == torch.float32
    assert 0 < float((half.image - exact).abs().max()) < 0.1


@pytest.mark.parametrize(("asked", "exact"), [("auto", "fp32"), ("fast", "fp32"), ("bf16", "bf16")])
def test_exact_is_fp32_unless_a_precision_was_asked_for(
    small_network: Network, picture: MakePicture, asked: str, exact: str
) -> None:
    upscaler = Upscaler(small_network, EngineOptions("cpu", asked, WHOLE))
    upscaler.precision = "bf16"  # as a device with less would have it
    result = upscaler.exact().upscale(picture(12, 15))
    assert result.precision == exact
    assert upscaler.upscale(picture(12, 15)).precision == "bf16"


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((20, 30), torch.float32, r"expected \(3, H, W\) or \(B, 3, H, W\), got \(20, 30\)"),
        ((4, 20, 30), torch.float32, r"got \(4, 20, 30\)"),
        ((2, 1, 20, 30), torch.float32, r"got \(2, 1, 20, 30\)"),
        ((1, 1, 3, 20, 30), torch.float32, r"got \(1, 1, 3, 20, 30\)"),
        ((3, 0, 30), torch.float32, r"got \(3, 0, 30\)"),
        ((0, 3, 20, 30), torch.float32, r"got \(0, 3, 20, 30\)"),
        ((3, 20, 30), torch.int64, "expected float, uint8 or uint16, got torch.int64"),
        ((3, 20, 30), torch.bool, r"got torch\.bool"),
    ],
)
def test_a_tensor_that_is_no_picture_is_refused(
    small_network: Network, shape: tuple[int, ...], dtype: torch.dtype, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        Upscaler(small_network, CPU)(torch.zeros(shape, dtype=dtype))


def test_a_scale_that_is_not_the_networks_is_refused_with_both(
    small_network: Network, picture: MakePicture
) -> None:
    upscaler = Upscaler(small_network, CPU)
    with pytest.raises(UsageError, match=r"upscales by 2, not by 3\.5"):
        upscaler(picture(4, 4), scale=3.5)
    assert upscaler(picture(4, 4), scale=2).shape == (3, 8, 8)


def test_the_check_is_called_several_times_per_tile(
    small_network: Network, picture: MakePicture
) -> None:
    calls: list[int] = []
    upscaler = Upscaler(small_network, EngineOptions(device="cpu", tile=16, overlap=0))
    upscaler.upscale(picture(32, 48), check=lambda: calls.append(1))
    assert len(calls) >= 3 * 2 * 3


def test_what_the_check_raises_ends_the_work(small_network: Network, picture: MakePicture) -> None:
    calls: list[int] = []

    def stop_at_the_third() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise StoppedError(2)

    upscaler = Upscaler(small_network, EngineOptions(device="cpu", tile=16, overlap=0))
    with pytest.raises(StoppedError):
        upscaler.upscale(picture(32, 48), check=stop_at_the_third)
    assert len(calls) == 3
