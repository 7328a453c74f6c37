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
from esc_cli.media.compression import Compression
from esc_cli.media.noise import measure_noise
from esc_cli.tasks.evaluate.degraded import LEVELS, Level, degraded
from esc_cli.tasks.evaluate.samples import Reading, read_sample
from esc_cli.tasks.upscale.network_choice import for_photographs

Pairs = list[tuple[Tensor, Tensor]]


def samples(names: list[str], roots: tuple[Path, ...], scale: int) -> Pairs:
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


Gains = dict[str, dict[str, list[float]]]
"""Over bicubic in dB, by level and model, of each picture."""


def auto_choice(small: Tensor, level: Level, scale: int) -> str:
    """The model that `esc upscale` takes for a copy, saved as JPEG or as PNG."""
    pixels = small.permute(1, 2, 0).numpy()
    quality = Compression(quality=level.jpeg) if level.jpeg else Compression()
    photo, _ = for_photographs(scale, quality, measure_noise(pixels))
    return "photo" if photo else "clean"


def gains(models: list[str], options: EngineOptions, pairs: Pairs, scale: int) -> Gains:
    """Of each model; "auto" is one of clean and photo, picture by picture."""
    named = dict.fromkeys([*models, *(("clean", "photo") if "auto" in models else ())])
    networks = {n: Upscaler(load_model(n, scale), options) for n in named if n != "auto"}
    found: Gains = {name: {model: [] for model in models} for name in LEVELS}
    for lr, hr in pairs:
        for name, level in LEVELS.items():
            small = degraded(lr, level)
            baseline = psnr(protocol.bicubic(small, (hr.shape[-2], hr.shape[-1])), hr, scale)
            values = {
                model: psnr(network.upscale(small, dtype=torch.uint8).image, hr, scale) - baseline
                for model, network in networks.items()
            }
            if "auto" in models:
                values["auto"] = values[auto_choice(small, level, scale)]
            for model in models:
                found[name][model].append(values[model])
    return found


def main() -> None:
    """Measure and print a table for each scale."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--dataset", default="Set5,Set14")
    parser.add_argument("--scale", default="2,3,4")
    parser.add_argument("--model", default="clean,photo,auto")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    models = arguments.model.split(",")
    options = EngineOptions(arguments.device, "fp32", tile=WHOLE)
    for scale in map(int, arguments.scale.split(",")):
        pairs = samples(arguments.dataset.split(","), (arguments.data_root,), scale)
        found = gains(models, options, pairs, scale)
        print(f"\n| x{scale}, dB over bicubic | {' | '.join(models)} |")
        print(f"|---|{'---|' * len(models)}")
        for level, by_model in found.items():
            print(f"| {level} | {' | '.join(f'{fmean(v):+.2f}' for v in by_model.values())} |")


if __name__ == "__main__":
    main()
