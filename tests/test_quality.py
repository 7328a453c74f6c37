"""The bundled networks on Set5, by the protocol of the literature.

Needs the benchmark pictures: `<folder>/Set5/HR/*.png` with ESC_DATA=<folder>.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import esc_cli
from esc_cli.evaluation.metrics import crop_border, imresize, luma, psnr

pytestmark = pytest.mark.slow

SET5 = Path(os.environ.get("ESC_DATA", "")) / "Set5" / "HR"
PUBLISHED_BICUBIC = {2: 33.68, 3: 30.40, 4: 28.43}

needs_set5 = pytest.mark.skipif(
    "ESC_DATA" not in os.environ or not SET5.is_dir(),
    reason="set ESC_DATA to a folder that holds Set5/HR",
)


def rounded(image):
    return (image.clamp(0, 1) * 255).round()


def mean_psnr(upscale, scale):
    scores = []
    for path in sorted(SET5.glob("*.png")):
        hr = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
        height, width = (side // scale for side in hr.shape[-2:])
        hr = hr[:, : height * scale, : width * scale]
        lr = rounded(imresize(hr.double() / 255, (height, width))).to(torch.uint8)
        sr = rounded(upscale(lr, hr.shape[-2:]))
        scores.append(psnr(*(crop_border(luma(image), scale) for image in (sr, hr))))
    assert len(scores) == 5
    return sum(scores) / len(scores)


def bicubic(lr, size):
    return imresize(lr.double() / 255, tuple(size))


@needs_set5
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_bundled_network_is_two_db_above_bicubic_and_as_good_as_recorded(scale):
    from esc_cli.checkpoints.store import find

    baseline = mean_psnr(bicubic, scale)
    assert baseline == pytest.approx(PUBLISHED_BICUBIC[scale], abs=0.02)
    upscaler = esc_cli.Upscaler(esc_cli.load_model(scale=scale))
    reached = mean_psnr(lambda lr, _: upscaler(lr), scale)
    assert reached >= baseline + 2
    recorded = find(None, scale).record.scores["Set5"]["psnr"]
    assert reached == pytest.approx(recorded, abs=0.02)
