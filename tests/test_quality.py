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


@needs_set5
def test_a_coarsely_compressed_film_comes_out_better_than_bicubic(tmp_path):
    """8 bit, x264 at crf 32, moving by a pixel a frame: half a dB over bicubic at x2."""
    import av
    from command import Command

    gains = []
    for path in sorted(SET5.glob("*.png")):
        hr = torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)
        hr = hr[:, : hr.shape[1] // 4 * 4, : hr.shape[2] // 4 * 4]
        size = (hr.shape[1] // 2, hr.shape[2] // 2)
        lr = rounded(imresize(hr.double() / 255, size)).byte().permute(1, 2, 0).numpy()
        film = tmp_path / f"{path.stem}.mkv"
        with av.open(str(film), "w") as container:
            stream = container.add_stream("libx264", rate=25, options={"crf": "32"})
            stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
            for moved in range(7, -1, -1):
                pixels = np.ascontiguousarray(np.roll(lr, moved, axis=1))
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
            container.mux(stream.encode(None))
        # The last frame alone, which is coded from those before it.
        words = (film, "-s", "2", "--codec", "ffv1", "--start", "0.28", "-o", tmp_path / "out")
        ran = Command(("upscale",))(*words)
        assert ran.code == 0, ran.err
        small, large = (last_frame(one) for one in (film, tmp_path / "out" / film.name))
        scores = [
            psnr(*(crop_border(luma(image), 2) for image in (sr, hr)))
            for sr in (large, rounded(imresize(small.double() / 255, tuple(hr.shape[-2:]))))
        ]
        gains.append(scores[0] - scores[1])
    assert len(gains) == 5
    assert sum(gains) / len(gains) >= 0.5


def last_frame(path):
    """(3, H, W) RGB."""
    import av

    with av.open(str(path)) as container:
        *_, frame = container.decode(video=0)
        return torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
