"""Running out of memory: smaller tiles, remembered, down to one window."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.errors import DeviceMemoryError
from esc_cli.model import Network

MakePicture = Callable[[int, int], Tensor]
MakeNarrow = Callable[..., Any]
AUTO = EngineOptions(device="cpu")
LIMIT = 64 * 64

OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    MemoryError(),
]


def tiled(network: Network, image: Tensor, tile: int) -> Tensor:
    return Upscaler(network, EngineOptions(device="cpu", tile=tile))(image)


@pytest.mark.slow
@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: type(error).__name__)
def test_running_out_of_memory_leads_to_the_result_of_the_smaller_tile(
    narrow: MakeNarrow, small_network: Network, picture: MakePicture, error: Exception
) -> None:
    image = picture(100, 140)
    done = Upscaler(narrow(LIMIT, error), AUTO).upscale(image)
    assert done.tile == 64  # 140 halved is 69, on the grid of 8
    assert done.notes == ("out of memory with the whole picture, went on with tile 64",)
    assert torch.equal(done.image, tiled(small_network, image, 64))


@pytest.mark.slow
def test_a_wished_tile_is_halved_until_it_fits(
    narrow: MakeNarrow, small_network: Network, picture: MakePicture
) -> None:
    image = picture(100, 140)
    options = EngineOptions(device="cpu", tile=96)
    done = Upscaler(narrow(24 * 24), options).upscale(image)
    assert done.tile == 24
    assert done.notes == (
        "out of memory with tile 96, went on with tile 48",
        "out of memory with tile 48, went on with tile 24",
    )
    assert torch.equal(done.image, tiled(small_network, image, 24))


def test_the_next_picture_starts_with_the_tile_that_fitted(
    narrow: MakeNarrow, picture: MakePicture
) -> None:
    network, image = narrow(LIMIT), picture(100, 140)
    upscaler = Upscaler(network, AUTO)
    first = upscaler.upscale(image)
    failed = [size for size in network.seen if size[0] * size[1] > LIMIT]
    assert failed == [(100, 140)]
    network.seen.clear()
    second = upscaler.upscale(image)
    assert all(height * width <= LIMIT for height, width in network.seen)
    assert second.tile == first.tile == 64
    assert second.notes == ()
    assert torch.equal(second.image, first.image)


def test_a_small_picture_after_a_large_one_is_still_done_at_once(
    narrow: MakeNarrow, picture: MakePicture
) -> None:
    upscaler = Upscaler(narrow(LIMIT), AUTO)
    upscaler.upscale(picture(100, 140))
    assert upscaler.upscale(picture(50, 60)).tile == WHOLE


def test_a_batch_needs_the_memory_of_all_its_pictures(
    narrow: MakeNarrow, picture: MakePicture
) -> None:
    network = narrow(LIMIT)
    batch = picture(60, 60).expand(4, -1, -1, -1)
    done = Upscaler(network, AUTO).upscale(batch)
    assert done.tile == 24  # 60 -> 24, where four tiles fit
    assert network.seen[0] == (60, 60)


@pytest.mark.slow
@pytest.mark.parametrize("tile", [None, WHOLE, 8, 64])
def test_a_picture_that_does_not_fit_in_single_windows_is_an_error(
    narrow: MakeNarrow, picture: MakePicture, tile: int | None
) -> None:
    network = narrow(8 * 8 - 1)
    with pytest.raises(DeviceMemoryError, match="even with tiles of 8: CUDA out of memory"):
        Upscaler(network, EngineOptions(device="cpu", tile=tile)).upscale(picture(40, 50))
    assert network.seen[-1] == (8, 8)


def test_another_error_of_the_network_is_passed_on(
    narrow: MakeNarrow, picture: MakePicture
) -> None:
    network = narrow(LIMIT, RuntimeError("expected scalar type Half but found Float"))
    with pytest.raises(RuntimeError, match="expected scalar type Half"):
        Upscaler(network, AUTO).upscale(picture(100, 140))
    assert len(network.seen) == 1


def test_a_result_beyond_all_memory_is_refused_before_any_work(
    small_lte: Network, picture: MakePicture
) -> None:
    with pytest.raises(DeviceMemoryError, match="does not fit the memory of this machine"):
        Upscaler(small_lte, AUTO).upscale(picture(8, 8), scale=1e7)
