"""The estimate of what an input takes is an upper bound, and no wild one."""

from __future__ import annotations

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from esc_cli.errors import TooLargeError
from esc_cli.media.picture import Header, Metadata, Picture
from esc_cli.tasks.upscale.memory_limit import check_memory, picture_bytes
from esc_cli.tasks.upscale.picture import PictureUpscaler

SIDE = 200


class Quadrupling:
    """Gives what a network of scale 4 would, from NumPy, whose memory can be traced."""

    config = SimpleNamespace(scale=4, any_scale=False)

    def exact(self):
        return self

    def upscale(self, image, dtype, **_):
        shape = (*image.shape[:2], 4 * SIDE, 4 * SIDE)
        types = {torch.uint8: np.uint8, torch.uint16: np.uint16, torch.float32: np.float32}
        result = torch.from_numpy(np.ones(shape, types[dtype]))
        return SimpleNamespace(image=result, tile=0, precision="fp32", notes=())


@pytest.mark.parametrize("scale", [4, 3.9, 3.1])
@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("frames", [1, 3])
def test_no_picture_takes_more_than_was_estimated(channels, bits, scale, frames):
    draw, kind = np.random.default_rng(0), {8: np.uint8, 16: np.uint16, 32: np.uint16}[bits]
    size = (round(SIDE * scale), round(SIDE * scale))
    header = Header("PNG", SIDE, SIDE, channels, bits, frames)
    tracemalloc.start()
    try:
        pixels = [draw.integers(0, 200, (SIDE, SIDE, channels), kind) for _ in range(frames)]
        if bits == 32:
            pixels = [(frame / np.float32(9)).astype(np.float32) for frame in pixels]
            for frame in pixels[: channels in (2, 4)]:
                frame[..., -1] /= 99
        picture = Picture(header, tuple(pixels), (), None, Metadata())
        tracemalloc.reset_peak()
        PictureUpscaler(Quadrupling(), size, lambda: None).run(picture)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    estimate = picture_bytes(header, size, files=0)
    assert peak - 100_000 < estimate < 2.5 * peak


def test_the_reason_of_a_refusal_names_both_sizes_and_the_option():
    with pytest.raises(TooLargeError) as caught:
        check_memory(5 * 2**30, 4 * 2**30)
    assert caught.value.reason == (
        "would take about 5.0 GiB of memory, more than the limit of 4.0 GiB "
        "(raise it with --max-memory, or make the result smaller)"
    )


def test_without_a_limit_the_machine_sets_one():
    check_memory(1, None)
    with pytest.raises(TooLargeError):
        check_memory(2**60, None)
