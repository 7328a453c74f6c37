"""Feature maps that do not fit the device are kept in host memory, before anything is tiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from esc_cli import Upscaler
from esc_cli.engine import memory
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.model import Network
from esc_cli.model.config import VARIANTS
from esc_cli.model.esc import ESC
from esc_cli.model.network import Part

MakePicture = Callable[[int, int], Tensor]
MIB = 1 << 20
CPU = torch.device("cpu")
ALLOWED = EngineOptions(device="cpu", host_maps=True)


class Roomless(ESC):
    """A real network that runs out of memory unless its maps are stored elsewhere."""

    stored_limit = 1 << 40
    stores: list[torch.device | None] = []  # noqa: RUF012

    def parts(self, x: Tensor) -> Iterator[Part]:
        """Upscale; only small pictures go without a store."""
        type(self).stores.append(self.working.store)
        pixels = x.shape[-2] * x.shape[-1]
        if pixels > (64 * 64 if self.working.store is None else self.stored_limit):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().parts(x)


def roomless(network: Network, stored_limit: int = 1 << 40) -> Roomless:
    kind: type[Roomless] = type("Here", (Roomless,), {"stores": [], "stored_limit": stored_limit})
    made = kind(network.config)
    made.load_state_dict(network.state_dict())
    return made.eval()


def test_after_running_out_the_maps_go_to_host_memory_and_the_result_is_the_whole_picture(
    small_network: Network, picture: MakePicture
) -> None:
    image, network = picture(100, 140), roomless(small_network)
    upscaler = Upscaler(network, ALLOWED)
    done = upscaler.upscale(image)
    assert done.tile == WHOLE
    assert done.notes == ("out of memory with the whole picture, its maps went to host memory",)
    assert torch.equal(done.image, Upscaler(small_network, EngineOptions(device="cpu"))(image))
    network.stores.clear()
    assert upscaler.upscale(image).notes == ()
    assert network.stores == [CPU], "the next picture starts with what worked"
    upscaler.upscale(picture(50, 60))
    assert network.stores[-1] is None, "a small picture needs no store"


@pytest.mark.slow
def test_tiles_follow_when_host_memory_runs_out_too(
    small_network: Network, picture: MakePicture
) -> None:
    image, network = picture(100, 140), roomless(small_network, stored_limit=0)
    upscaler = Upscaler(network, ALLOWED)
    done = upscaler.upscale(image)
    assert done.tile == 64
    assert [note.split(",")[1] for note in done.notes] == [
        " its maps went to host memory",
        " went on with tile 64",
    ]
    network.stores.clear()
    assert upscaler.upscale(image).tile == 64
    assert set(network.stores) == {None}, "not tried again"


@pytest.mark.parametrize("options", [EngineOptions(device="cpu"), replace(ALLOWED, tile=96)])
def test_a_cpu_and_a_wished_tile_have_no_other_store(
    small_network: Network, picture: MakePicture, options: EngineOptions
) -> None:
    network = roomless(small_network)
    assert Upscaler(network, options).upscale(picture(100, 140)).tile in {48, 64}
    assert set(network.stores) == {None}


def test_maps_need_room_on_the_host_and_a_patch_on_the_device(cgroup: Path) -> None:
    config = VARIANTS["esc"]
    (cgroup / "memory.current").write_text("0")
    (cgroup / "memory.stat").write_text("")

    def fits(megapixels: float, mebibytes: int) -> bool:
        (cgroup / "memory.max").write_text(str(mebibytes * MIB))
        return memory.host_maps_fit(config, CPU, 4, int(megapixels * 1e6))

    assert fits(1, 2000)  # 768 MB of maps in half of 2 GiB
    assert not fits(2, 2000)
    assert not fits(0.01, 200)  # a patch alone does not fit
    dysample = replace(VARIANTS["esc-real"], head="dysample")
    assert not memory.host_maps_fit(dysample, CPU, 4, 1)
