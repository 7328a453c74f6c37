"""What networks gain over bicubic on clean and on degraded LR, in dB.

    python docs/benchmarks/degraded.py --data-root DIR [--scale 2,3,4] [--model NAME_OR_PATH,...]

PSNR on Y, border = scale, float32, the mean over the pictures of all sets. LR is made by
MATLAB-style bicubic and then degraded (`esc_cli/tasks/evaluate/degraded.py`). Prints Markdown.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from esc_cli import Upscaler, load_model
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.evaluation import protocol
from esc_cli.evaluation.datasets import find_dataset
from esc_cli.tasks.evaluate.degraded import LEVELS, degraded
from esc_cli.tasks.evaluate.samples import Reading, read_sample


def samples(names: list[str], roots: tuple[Path, ...], scale: int) -> list[tuple[Tensor, Tensor]]:
    """(LR, HR) of all pictures of the sets."""
    found = []
    for name in names:
        for pair in find_dataset(name, roots, scale).pairs:
            sample = read_sample(pair, scale, Reading(1 << 29, reference=True), defaultdict(float))
            assert sample.hr is not None
            found.append((sample.lr, sample.hr))
    return found


def psnr(sr: Tensor, hr: Tensor, scale: int) -> float:
    """On Y, border = scale."""
    return protocol.score(sr, hr, scale, "y")["psnr_y"]


def gains(upscaler: Upscaler, pairs: list[tuple[Tensor, Tensor]], scale: int) -> dict[str, float]:
    """Over bicubic, by level."""
    found: dict[str, list[float]] = {name: [] for name in LEVELS}
    for lr, hr in pairs:
        for name, level in LEVELS.items():
            small = degraded(lr, level)
            sr = upscaler.upscale(small, dtype=torch.uint8).image
            baseline = protocol.bicubic(small, (hr.shape[-2], hr.shape[-1]))
            found[name].append(psnr(sr, hr, scale) - psnr(baseline, hr, scale))
    return {name: fmean(values) for name, values in found.items()}


def main() -> None:
    """Measure and print a table for each scale."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--dataset", default="Set5,Set14")
    parser.add_argument("--scale", default="2,3,4")
    parser.add_argument("--model", default="esc-tiny,esc-tiny-photo")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    models = arguments.model.split(",")
    options = EngineOptions(arguments.device, "fp32", tile=WHOLE)
    for scale in map(int, arguments.scale.split(",")):
        pairs = samples(arguments.dataset.split(","), (arguments.data_root,), scale)
        networks = [Upscaler(load_model(model, scale), options) for model in models]
        columns = [gains(network, pairs, scale) for network in networks]
        print(f"\n| x{scale}, dB over bicubic | {' | '.join(models)} |")
        print(f"|---|{'---|' * len(models)}")
        for level in LEVELS:
            print(f"| {level} | {' | '.join(f'{column[level]:+.2f}' for column in columns)} |")


if __name__ == "__main__":
    main()
