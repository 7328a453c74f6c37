"""NaN and Inf: a tile is redone in a precision with more range, and fails in none but fp32."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import NonFiniteError
from esc_cli.model import Network
from esc_cli.model.esc import ESC
from esc_cli.model.network import Part

MakePicture = Callable[[int, int], Tensor]


class FragileESC(ESC):
    """A real network that gives Inf for tiles with a marked pixel in the dtypes of `weak`."""

    weak: tuple[torch.dtype, ...] = ()
    seen: list[torch.dtype] = []  # noqa: RUF012

    def parts(self, x: Tensor) -> Iterator[Part]:
        """Upscale; one value becomes Inf where the input holds a pure 1."""
        type(self).seen.append(x.dtype)
        for part in super().parts(x):
            if x.dtype in self.weak and bool((x == 1).any()):
                part.pixels[..., 0, 0] = torch.inf
            yield part


def fragile(network: Network, *weak: torch.dtype) -> FragileESC:
    kind: type[FragileESC] = type("FragileHere", (FragileESC,), {"weak": weak, "seen": []})
    copied = kind(network.config)
    copied.load_state_dict(network.state_dict())
    return copied.eval()


def options(precision: str) -> EngineOptions:
    return EngineOptions(device="cpu", precision=precision, tile=16, overlap=0)


@pytest.fixture
def marked(picture: MakePicture) -> Tensor:
    """A picture of 2 x 3 tiles, the fourth with a pixel of 1."""
    image = picture(32, 48) * 0.9
    image[:, 20, 5] = 1
    return image


def test_only_the_tile_with_inf_is_redone_in_bf16(small_network: Network, marked: Tensor) -> None:
    network = fragile(small_network, torch.float16)
    done = Upscaler(network, options("fp16")).upscale(marked)
    assert done.precision == "bf16"
    assert done.notes == ("NaN or Inf in fp16: 1 of 6 tiles redone in bf16",)
    assert network.seen.count(torch.float16) == 6
    assert network.seen.count(torch.bfloat16) == 1
    half = Upscaler(small_network, options("fp16"))(marked)
    brain = Upscaler(small_network, options("bf16"))(marked)
    assert not torch.equal(half, brain)
    bad = torch.zeros(64, 96, dtype=torch.bool)
    bad[32:, :32] = True
    assert torch.equal(done.image, torch.where(bad, brain, half))


def test_a_tile_with_inf_in_every_half_precision_is_redone_in_fp32(
    small_network: Network, marked: Tensor
) -> None:
    network = fragile(small_network, torch.float16, torch.bfloat16)
    done = Upscaler(network, options("fp16")).upscale(marked)
    assert done.precision == "fp32"
    assert done.notes == ("NaN or Inf in fp16: 1 of 6 tiles redone in fp32",)
    exact = Upscaler(small_network, options("fp32"))(marked)
    assert torch.equal(done.image[:, 32:, :32], exact[:, 32:, :32])


def test_bf16_is_not_redone_in_fp16(small_network: Network, marked: Tensor) -> None:
    network = fragile(small_network, torch.bfloat16)
    assert Upscaler(network, options("bf16")).upscale(marked).precision == "fp32"
    assert torch.float16 not in network.seen


def test_each_picture_starts_in_the_chosen_precision_again(
    small_network: Network, marked: Tensor
) -> None:
    upscaler = Upscaler(fragile(small_network, torch.float16), options("fp16"))
    assert upscaler.upscale(marked).precision == "bf16"
    done = upscaler.upscale(marked * 0.5)
    assert done.precision == "fp16"
    assert done.notes == ()


def test_weights_beyond_the_range_of_fp16_are_used_in_bf16(
    small_network: Network, picture: MakePicture
) -> None:
    with torch.no_grad():  # 80,000 and back: Inf and NaN in fp16, whose range ends at 65,504
        small_network.proj.bias.fill_(8e4)
    done = Upscaler(small_network, options("fp16")).upscale(picture(8, 8))
    assert done.precision == "bf16"
    assert done.image.isfinite().all()


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_a_tile_that_fp32_does_not_hold_is_an_error_that_says_where(
    small_network: Network, marked: Tensor, precision: str
) -> None:
    marked[1, 20, 40] = torch.nan
    with pytest.raises(NonFiniteError, match="tile at row 16, column 32, even in fp32"):
        Upscaler(small_network, options(precision)).upscale(marked)
