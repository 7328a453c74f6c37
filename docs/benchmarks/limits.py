"""From how many bits a pixel on a lossy file is better served by the network for clean pictures.

    python docs/benchmarks/limits.py --data-root DIR [--scale 2,3,4] [--dataset Set5,Set14]

LR, made by MATLAB-style bicubic, becomes WebP, AVIF, HEIC at several qualities, and a film of eight
frames that pan by one pixel, by x264 and x265 at several crf. Printed are the bits a pixel that
`esc upscale` reads from the file, and the gains over bicubic in dB (PSNR on Y, border = scale) of
the networks clean and photo, means over the pictures; then, for limits in bits a pixel, the mean
loss against always taking the better network. Needs pillow-heif and PyAV.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import fmean

import av
import numpy as np
import pillow_heif
import torch
from degraded import Pairs, psnr, samples
from PIL import Image
from torch import Tensor

from esc_cli import Upscaler, load_model
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.evaluation import protocol
from esc_cli.media.compression import compression_of
from esc_cli.media.decode import decode
from esc_cli.media.recompress import Pixels
from esc_cli.media.video.probe import probe_video

Saved = tuple[float, Pixels]
"""Bits a pixel, and what is decoded."""

FRAMES = 8
LIMITS = (0.15, 0.25, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)


def as_picture(kind: str, quality: int) -> Callable[[Pixels], Saved]:
    """Through a file of a still format."""

    def save(pixels: Pixels) -> Saved:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, kind, quality=quality)
        content = stream.getvalue()
        picture = decode(content, 1 << 30)
        bits = compression_of(content, picture.header).bits_per_pixel
        assert bits is not None
        return bits, picture.frames[0][..., :3]

    return save


def as_film(codec: str, crf: int) -> Callable[[Pixels], Saved]:
    """Through a Matroska file in which the picture moves to the left; the last frame is scored."""

    def save(pixels: Pixels) -> Saved:
        height, width = (side // 2 * 2 for side in pixels.shape[:2])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "film.mkv"
            with av.open(str(path), "w") as container:
                stream = container.add_stream(codec, rate=25)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                stream.options = {"crf": str(crf)} | _QUIET.get(codec, {})
                for index in reversed(range(FRAMES)):
                    moved = np.roll(pixels, index, axis=1)[:height, :width]
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(moved), format="rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            bits = probe_video(path, 1 << 30).bits_per_pixel
            with av.open(str(path)) as container:
                last = list(container.decode(video=0))[-1].to_ndarray(format="rgb24")
        assert bits is not None
        return bits, last

    return save


_QUIET = {"libx265": {"x265-params": "log-level=none"}}
WAYS: dict[str, dict[str, Callable[[Pixels], Saved]]] = {
    "pictures": {
        f"{kind} {quality}": as_picture(kind, quality)
        for kind in ("WEBP", "AVIF", "HEIF")
        for quality in (30, 50, 70, 80, 90, 95)
    },
    "films": {
        f"{codec} crf {crf}": as_film(codec, crf)
        for codec in ("libx264", "libx265")
        for crf in (14, 18, 23, 28, 32, 36)
    },
}

Row = tuple[float, float, float]
"""Bits a pixel, and the gains of clean and photo."""


def rows(
    pairs: Pairs, save: Callable[[Pixels], Saved], nets: list[Upscaler], scale: int
) -> Iterator[Row]:
    """One for each picture."""
    for lr, hr in pairs:
        bits, pixels = save(lr.permute(1, 2, 0).numpy())
        small = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        height, width = (side * scale for side in small.shape[-2:])
        wanted = hr[..., :height, :width]
        baseline = psnr(protocol.bicubic(small, (height, width)), wanted, scale)
        clean, photo = (_score(net, small, wanted, scale) - baseline for net in nets)
        yield bits, clean, photo


def _score(net: Upscaler, small: Tensor, hr: Tensor, scale: int) -> float:
    return psnr(net.upscale(small, dtype=torch.uint8).image, hr, scale)


def loss(found: list[Row], limit: float) -> float:
    """Mean dB below the better network when photo is taken below a limit."""
    return fmean(max(c, p) - (p if bits < limit else c) for bits, c, p in found)


def main() -> None:
    """Measure and print tables for each scale."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--dataset", default="Set5,Set14")
    parser.add_argument("--scale", default="2,3,4")
    parser.add_argument("--photo", default="photo", help="a name or a file")
    arguments = parser.parse_args()
    os.environ.setdefault("SVT_LOG", "1")
    pillow_heif.register_heif_opener()
    options = EngineOptions("cpu", "fp32", tile=WHOLE)
    for scale in map(int, arguments.scale.split(",")):
        pairs = samples(arguments.dataset.split(","), (arguments.data_root,), scale)
        nets = [Upscaler(load_model(n, scale), options) for n in ("clean", arguments.photo)]
        for what, ways in WAYS.items():
            print(f"\n| x{scale} {what} | bits a pixel | clean | photo |\n|---|---|---|---|")
            everything: list[Row] = []
            for name, save in ways.items():
                found = list(rows(pairs, save, nets, scale))
                everything += found
                bits, clean, photo = (fmean(column) for column in zip(*found, strict=True))
                print(f"| {name} | {bits:.2f} | {clean:+.2f} | {photo:+.2f} |", flush=True)
            losses = (f"{limit:g}: {loss(everything, limit):.3f}" for limit in LIMITS)
            print(f"\nLoss in dB by limit: {', '.join(losses)}")


if __name__ == "__main__":
    main()
