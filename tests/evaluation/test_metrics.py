"""Golden values: tests/golden/metrics.npz and .json (see tests/golden/README.md)."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from esc_cli.evaluation.metrics import crop_border, imresize, luma, psnr, ssim

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(scope="module")
def arrays():
    with np.load(GOLDEN / "metrics.npz") as stored:
        return {name: torch.from_numpy(stored[name]) for name in stored.files}


@pytest.fixture(scope="module")
def values():
    return json.loads((GOLDEN / "metrics.json").read_text())


def channels_first(image):
    return image.permute(2, 0, 1)


@pytest.mark.parametrize("border", [0, 2, 3, 4])
@pytest.mark.parametrize("space", ["y", "rgb"])
def test_psnr_and_ssim_are_those_of_the_protocol(arrays, values, border, space):
    pair = [channels_first(arrays[name]).double() for name in ("sr", "hr")]
    sr, hr = (crop_border(luma(x) if space == "y" else x, border) for x in pair)
    assert psnr(sr, hr) == pytest.approx(values[f"psnr_crop{border}_{space}"], abs=1e-6)
    assert ssim(sr, hr) == pytest.approx(values[f"ssim_crop{border}_{space}"], abs=1e-6)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_imresize_is_that_of_matlab(arrays, scale):
    hr = channels_first(arrays["hr"]).double() / 255
    height, width = (side // scale for side in hr.shape[-2:])
    small = imresize(hr[..., : height * scale, : width * scale], (height, width))
    wanted = channels_first(arrays[f"imresize_down{scale}"]).double()
    assert (small - wanted).abs().max() < 1e-5
    large = imresize(wanted, (height * scale, width * scale))
    assert (large - channels_first(arrays[f"imresize_up{scale}"])).abs().max() < 1e-5


def test_equal_images_have_infinite_psnr_and_ssim_one():
    image = torch.rand(1, 16, 16) * 255
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_luma_of_black_and_white_ends_at_16_and_235():
    ends = torch.tensor([0.0, 255.0]).view(1, 1, 2).expand(3, 1, 2)
    assert luma(ends).flatten().tolist() == pytest.approx([16, 235])
