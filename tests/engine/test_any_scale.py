"""ESC-LTE through the engine: real scales, in tiles or not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from esc_cli import Upscaler, load_model
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.errors import UsageError
from esc_cli.model import Network

MakePicture = Callable[[int, int], Tensor]
CPU = EngineOptions(device="cpu", tile=WHOLE)


@pytest.mark.parametrize("scale", [2, 3.5, 6])
def test_the_upscaler_gives_the_golden_output_of_esc_lte(
    golden: Path, tmp_path: Path, scale: float
) -> None:
    tensors = load_file(golden / "esc_lte.safetensors")
    state = {k.removeprefix("state."): v for k, v in tensors.items() if k.startswith("state.")}
    save_file(state, tmp_path / "lte.safetensors")
    network = load_model(tmp_path / "lte.safetensors")
    result = Upscaler(network, CPU)(tensors["input"], scale=scale)
    expected = tensors[f"output.x{scale}"]
    limit = 1e-4 * float(expected.abs().max())
    assert float((result - expected.clamp(0, 1)).abs().max()) <= limit


@pytest.mark.parametrize(
    ("scale", "size"), [(1, (20, 31)), (0.5, (10, 16)), (2.71, (54, 84)), (7.3, (146, 226))]
)
def test_any_scale_gives_the_rounded_size(
    small_lte: Network, picture: MakePicture, scale: float, size: tuple[int, int]
) -> None:
    result = Upscaler(small_lte, CPU)(picture(20, 31), scale=scale)
    assert result.shape == (3, *size)
    assert result.isfinite().all()


def test_a_scale_too_small_for_a_pixel_still_gives_one(
    small_lte: Network, picture: MakePicture
) -> None:
    assert Upscaler(small_lte, CPU)(picture(2, 3), scale=0.01).shape == (3, 1, 1)


@pytest.mark.parametrize("scale", [2, 2.5, 3.7])
def test_tiles_of_esc_lte_differ_little_from_the_whole_picture(
    small_lte: Network, picture: MakePicture, scale: float
) -> None:
    image = picture(70, 90)
    whole = Upscaler(small_lte, CPU)(image, scale=scale)
    tiled = Upscaler(small_lte, EngineOptions(device="cpu", tile=48, overlap=32))
    done = tiled.upscale(image, scale=scale)
    assert done.tile == 48
    difference = (done.image - whole).abs()
    assert float(difference.max()) < 0.02
    assert float(difference.mean()) < 0.001


@pytest.mark.parametrize("scale", [None, 0, -2])
def test_esc_lte_asks_for_a_scale_above_0(
    small_lte: Network, picture: MakePicture, scale: float | None
) -> None:
    with pytest.raises(UsageError, match="needs one above 0"):
        Upscaler(small_lte, CPU)(picture(8, 8), scale=scale)


def test_one_upscaler_takes_one_scale_after_another(
    small_lte: Network, picture: MakePicture
) -> None:
    upscaler, image = Upscaler(small_lte, CPU), picture(10, 12)
    first = upscaler(image, scale=2)
    assert upscaler(image, scale=3).shape == (3, 30, 36)
    assert torch.equal(upscaler(image, scale=2), first)


def test_a_size_stands_for_the_scales_that_reach_it(
    small_lte: Network, picture: MakePicture
) -> None:
    upscaler, image = Upscaler(small_lte, CPU), picture(10, 12)
    assert torch.equal(upscaler.upscale(image, size=(25, 30)).image, upscaler(image, scale=2.5))
    assert upscaler.upscale(image, size=(21, 47)).image.shape == (3, 21, 47)
