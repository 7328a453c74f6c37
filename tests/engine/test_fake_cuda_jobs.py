"""Tiles, the self-ensemble, videos' colours and training on a CUDA device that is not there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_cuda import CUDA, Waits, fake_cuda, faked
from torch import Tensor, nn

from esc_cli.engine.prepare import ready
from esc_cli.engine.tile import Canvas, render
from esc_cli.engine.tiling import tiles
from esc_cli.engine.transfer import Delivery, to_float
from esc_cli.media.video.colour_tags import levels
from esc_cli.media.video.pixel_formats import planar
from esc_cli.model import Network, from_config
from esc_cli.model.config import VARIANTS
from esc_cli.tasks.upscale.video import colour
from esc_cli.training.learner import PixelLearner
from esc_cli.training.patches import Batch
from esc_cli.training.recipe import Recipe

pytestmark = pytest.mark.filterwarnings("ignore:Accessing the data pointer of FakeTensor")
BT709 = 1


@pytest.mark.slow
@pytest.mark.parametrize("self_ensemble", [False, True])
@pytest.mark.parametrize("which", ["small_network", "small_lte"])
def test_tiles_go_to_the_host_without_a_wait_inside(
    which: str,
    self_ensemble: bool,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: Network = request.getfixturevalue(which)
    first, *_ = tiles(40, 24, 24, 8, made.config.grid)
    canvas = Canvas((40, 24), (80, 48))
    with fake_cuda(monkeypatch), torch.inference_mode():
        network = ready(faked(made), CUDA, torch.float16)
        result = torch.empty((1, 3, 80, 48), dtype=torch.uint8)
        pixels = torch.empty((1, 3, 24, 24), dtype=torch.uint8, device=CUDA)
        delivery = Delivery(result)
        with Waits() as waits:
            for part in render(
                network, to_float(pixels, torch.float16), first, canvas, self_ensemble
            ):
                assert part.pixels.device.type == ("cpu" if self_ensemble else "cuda")
                assert part.pixels.shape[:2] == (1, 3)
                delivery.put(part)
    assert not waits.found


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv411p", "gray", "gbrp", "gbrp12le"])
def test_colours_of_a_video_are_converted_on_the_device(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = planar(name)
    space = colour.ColourSpace(
        layout, None if layout.kind == "rgb" else levels(BT709, False, layout.bits)
    )
    dtype = np.uint8 if layout.bytes_per_sample == 1 else np.uint16
    sizes = layout.plane_sizes(22, 18)
    frame = tuple(np.zeros(size, dtype) for size in sizes)
    monkeypatch.setattr(colour, "_frames", lambda planes: planes)
    with fake_cuda(monkeypatch) as mode:
        mode.allow_non_fake_inputs = True  # planes come from FFmpeg
        with Waits() as waits:
            rgb = space.to_rgb([frame, frame], CUDA)
            planes = space.to_planes(rgb)
    assert (rgb.shape, rgb.dtype, rgb.device) == ((2, 3, 18, 22), torch.float32, CUDA)
    assert [tuple(plane.shape) for plane in planes] == [(2, *size) for size in sizes]
    assert {plane.device for plane in planes} == {CUDA}
    assert {plane.dtype.itemsize for plane in planes} == {layout.bytes_per_sample}
    assert not waits.found


def test_a_training_step_with_autocast_mixes_nothing_and_does_not_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = from_config(replace(VARIANTS["esc-tiny"], n_blocks=1, conv_blocks=1, window=8, scale=2))
    batch = Batch(
        torch.zeros(2, 3, 16, 16, dtype=torch.uint8), torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    )
    with fake_cuda(monkeypatch) as mode:
        network = faked(made)
        for part in network.modules():
            for key, weight in part._parameters.items():
                if weight is not None:
                    part._parameters[key] = nn.Parameter(weight.detach().to(CUDA))
        monkeypatch.setattr(nn.Module, "to", lambda module, **_layout: module)
        mode.allow_non_fake_inputs = True  # batches come from files
        learner = PixelLearner(network, Recipe("esc-tiny", 2), CUDA)
        assert learner.bf16

        def backward(_loss: Tensor) -> None:  # autograd's engine asks for the device itself
            for weight in network.parameters():
                weight.grad = torch.empty_like(weight)

        monkeypatch.setattr(Tensor, "backward", backward)
        with Waits() as waits:
            losses = learner.learn(batch, 1.0, 0)
    assert losses["loss"].device == CUDA
    assert {weight.dtype for weight in learner.network.parameters()} == {torch.float32}
    uploads = waits.found.pop("aten._to_copy.default", 0)
    assert uploads == 2, "LR and HR, from pinned memory"
    assert not waits.found
