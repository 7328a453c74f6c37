"""Speed of training's parts: loader, degradation, and iterations of esc-tiny.

python docs/benchmarks/training.py --data FOLDER --cache FOLDER [--device cpu]
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from esc_cli.model import build
from esc_cli.model.attention import set_attention_kernel
from esc_cli.tasks.train.pictures import PictureFolder
from esc_cli.training.factory import make_source, needs_lr
from esc_cli.training.learner import PixelLearner
from esc_cli.training.recipe import changes, load_recipe


def finished(filling):
    """The pictures that a filling of the cache returns."""
    while True:
        try:
            next(filling)
        except StopIteration as end:
            return end.value


def sources(folder):
    """The patches of three recipes, by name; bicubic at x4."""
    hr = finished(folder.pictures())
    for name, scale in (("esc", 4), ("esc-real-mse", 4), ("esc-lte", 0)):
        recipe = load_recipe(name, changes({"scale": scale}, []))
        lr = finished(folder.smaller(hr, scale)) if needs_lr(recipe) else None
        yield name, recipe, make_source(recipe, hr, lr)


def fastest_s(work, device, times):
    """Seconds of the fastest piece of work: what other programs took is not in it."""
    spent = []
    for number in range(times):
        start = time.perf_counter()
        work(number)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        spent.append(time.perf_counter() - start)
    return min(spent)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    device = torch.device(options.device)
    torch.set_flush_denormal(True)
    folder = PictureFolder(options.data, options.cache, 10**9)
    for name, recipe, source in sources(folder):
        size = recipe.data.batch
        seconds = fastest_s(lambda n, s=source, b=size: s.batch(n, range(b)), device, 10)
        print(f"loader, {name}: {size / seconds:,.0f} patches/s a thread")
        if name == "esc-real-mse":
            batch = source.batch(0, range(8))
            seconds = fastest_s(lambda _, b=batch: b.pairs(device), device, 1) / 8
            print(
                f"second-order degradation: {seconds:.3f} s a patch of {batch.hr.shape[-1]} pixels"
            )
        if name == "esc":
            steps(source, device)


def steps(source, device):
    """Iterations of esc-tiny x4, batch 8 of 32x32."""
    source.data = load_recipe("esc-tiny").data
    for precision in ("fp32", "bf16"):
        for kernel in ("sdpa", "math"):
            recipe = load_recipe("esc-tiny", changes({"precision": precision}, []))
            torch.manual_seed(0)
            learner = PixelLearner(build("esc-tiny", 4).to(device), recipe, device)
            set_attention_kernel(learner.network, kernel)
            batch = source.batch(0, range(8))
            seconds = fastest_s(lambda n, x=learner, b=batch: x.learn(b, 1.0, n), device, 60)
            print(f"esc-tiny x4, {precision}, attention {kernel}: {1 / seconds:.1f} iterations/s")


if __name__ == "__main__":
    main()
