"""Which passes are recorded, replayed and forgotten; recording itself needs a GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from esc_cli.engine.graphs import RECORD_AT, Repeated, Replay, record_on_cuda
from esc_cli.model import Network
from esc_cli.model.network import Working, joined

MakePicture = Callable[[int, int], Tensor]


class Recorder:
    """Records by keeping the network; counts recordings and replays by size."""

    def __init__(self) -> None:
        self.recorded: list[tuple[int, ...]] = []
        self.replayed: list[tuple[int, ...]] = []

    def __call__(self, network: Network, x: Tensor) -> Replay:
        self.recorded.append(tuple(x.shape[-2:]))

        def replay(pictures: Tensor) -> Tensor:
            assert pictures.shape == x.shape
            self.replayed.append(tuple(x.shape[-2:]))
            out: Tensor = network(pictures)
            return out

        return replay


@torch.inference_mode()
def test_the_third_picture_of_a_size_in_a_row_is_recorded_and_replayed_from_then_on(
    small_network: Network, picture: MakePicture
) -> None:
    recorder = Recorder()
    repeated = Repeated(small_network, recorder)
    for index, size in enumerate([(20, 30)] * 5 + [(30, 20)] * 2 + [(20, 30)] * 2):
        image = (picture(*size) * (1 - index / 20))[None]
        got = joined(repeated.parts(image), (2 * size[0], 2 * size[1]))
        assert torch.equal(got, small_network(image))
    assert recorder.recorded == [(20, 30)]
    assert len(recorder.replayed) == 5 - RECORD_AT + 1


@pytest.mark.parametrize("working", [Working(1), Working(store=torch.device("cpu"))])
@torch.inference_mode()
def test_patches_and_maps_in_host_memory_are_never_recorded(
    small_network: Network, picture: MakePicture, working: Working
) -> None:
    recorder, image = Recorder(), picture(20, 30)[None]
    whole = small_network(image)
    small_network.working = working
    repeated = Repeated(small_network, recorder)
    for _ in range(RECORD_AT + 1):
        torch.testing.assert_close(joined(repeated.parts(image), (40, 60)), whole)
    assert recorder.recorded == []


@torch.inference_mode()
def test_the_check_ends_a_replay_too(small_network: Network, picture: MakePicture) -> None:
    repeated, image = Repeated(small_network, Recorder()), picture(20, 30)[None]
    for _ in range(RECORD_AT):
        list(repeated.parts(image))

    def stop() -> None:
        raise KeyboardInterrupt

    small_network.working = replace(small_network.working, check=stop)
    with pytest.raises(KeyboardInterrupt):
        repeated.parts(image)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@torch.inference_mode()
def test_a_graph_gives_what_the_network_gives(small_network: Network, picture: MakePicture) -> None:
    network = small_network.cuda()
    images = [picture(64, 96)[None].cuda() * factor for factor in (0.2, 0.5, 1.0)]
    for image in images:
        network(image)
    replay = record_on_cuda(network, images[0])
    for image in images:
        torch.testing.assert_close(replay(image).clone(), network(image))
