"""Pictures in tiles against whole pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler, load_model
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.model import Network

MakePicture = Callable[[int, int], Tensor]


def options(tile: int | None, **others: object) -> EngineOptions:
    return EngineOptions(device="cpu", tile=tile, **others)  # type: ignore[arg-type]


def test_a_whole_picture_gets_what_the_network_gives(
    tiny_x4: Network, picture: MakePicture
) -> None:
    image = picture(45, 70)
    with torch.inference_mode():
        expected = tiny_x4(image[None])[0].clamp(0, 1)
    done = Upscaler(tiny_x4, options(WHOLE)).upscale(image)
    torch.testing.assert_close(done.image, expected, rtol=0, atol=5e-6)
    assert done.tile == WHOLE
    assert done.precision == "fp32"
    assert done.notes == ()


@pytest.mark.parametrize(
    ("scale", "most", "mean"), [(2, 0.08, 0.0025), (3, 0.08, 0.0025), (4, 0.05, 0.002)]
)
def test_tiles_differ_little_from_the_whole_picture(
    picture: MakePicture, scale: int, most: float, mean: float
) -> None:
    """Networks that were trained longer hang more on their dynamic kernels."""
    network, image = load_model("esc-tiny", scale), picture(150, 170)
    whole = Upscaler(network, options(WHOLE))(image)
    done = Upscaler(network, options(64, overlap=32)).upscale(image)
    assert done.tile == 64
    difference = (done.image - whole).abs()
    assert float(difference.max()) < most
    assert float(difference.mean()) < mean


def test_more_overlap_brings_tiles_closer_to_the_whole_picture(
    tiny_x4: Network, picture: MakePicture
) -> None:
    image = picture(96, 128)
    whole = Upscaler(tiny_x4, options(WHOLE))(image)
    errors = []
    for overlap in (0, 32):
        tiled = Upscaler(tiny_x4, options(64, overlap=overlap))(image)
        errors.append(float((tiled - whole).abs().max()))
    assert errors[0] > 2 * errors[1] > 0


def test_a_tile_that_covers_the_picture_gives_exactly_the_whole(
    small_network: Network, picture: MakePicture
) -> None:
    image = picture(30, 40)
    whole = Upscaler(small_network, options(WHOLE))(image)
    for tile in (40, 64, 512):
        assert torch.equal(Upscaler(small_network, options(tile))(image), whole)


def test_without_a_wish_a_small_picture_is_done_at_once(
    small_network: Network, picture: MakePicture
) -> None:
    assert Upscaler(small_network, options(None)).upscale(picture(30, 40)).tile == WHOLE


def test_a_batch_in_tiles_gives_each_picture_its_result_alone(
    small_network: Network, picture: MakePicture
) -> None:
    batch = torch.stack([picture(30, 50), 1 - picture(30, 50), picture(30, 50) / 3])
    upscaler = Upscaler(small_network, options(24, overlap=8))
    together = upscaler(batch)
    assert together.shape == (3, 3, 60, 100)
    for image, result in zip(batch, together, strict=True):
        torch.testing.assert_close(result, upscaler(image), rtol=0, atol=1e-5)


def test_pictures_of_odd_sizes_get_results_of_their_size(
    small_network: Network, picture: MakePicture
) -> None:
    for tile in (WHOLE, 8, 16):
        upscaler = Upscaler(small_network, options(tile))
        for height, width in [(1, 1), (1, 40), (17, 16), (3, 2), (33, 31)]:
            result = upscaler(picture(height, width))
            assert result.shape == (3, 2 * height, 2 * width)
            assert result.isfinite().all()


def test_a_picture_that_is_a_view_of_another_layout_gets_the_same_result(
    small_network: Network, picture: MakePicture
) -> None:
    image = picture(20, 30)
    rows_last = image.permute(1, 2, 0).contiguous().permute(2, 0, 1)  # (H, W, 3) in memory
    upscaler = Upscaler(small_network, options(16, overlap=8))
    torch.testing.assert_close(upscaler(rows_last), upscaler(image), rtol=0, atol=1e-5)
