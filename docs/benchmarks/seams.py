"""How far a picture done in tiles is from the same picture done at once.

    python docs/benchmarks/seams.py PICTURE [--model NAME_OR_PATH] [--scale S]

Prints the largest and the mean absolute difference, in 8-bit levels, for some tiles and overlaps.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from esc_cli import Upscaler, load_model
from esc_cli.engine.options import WHOLE, EngineOptions

TILES = (128, 192, 256)
OVERLAPS = (16, 32, 48)


def read_picture(path: str) -> Tensor:
    """(3, H, W) uint8 RGB."""
    with Image.open(path) as picture:
        return torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("picture", help="larger than the largest tile, or there is no seam")
    parser.add_argument("--model", help="a name or a checkpoint; the bundled default otherwise")
    parser.add_argument("--scale", type=float, help="the model's own by default")
    arguments = parser.parse_args()
    picture = read_picture(arguments.picture)
    network = load_model(arguments.model, None if arguments.scale is None else int(arguments.scale))

    def upscaled(tile: int, overlap: int) -> Tensor:
        options = EngineOptions(precision="fp32", tile=tile, overlap=overlap)
        return Upscaler(network, options)(picture, scale=arguments.scale) * 255

    whole = upscaled(WHOLE, 0)
    print("| tile | overlap | max difference | mean difference |")
    print("|---|---|---|---|")
    for tile in TILES:
        for overlap in OVERLAPS:
            difference = (upscaled(tile, overlap) - whole).abs()
            print(f"| {tile} | {overlap} | {difference.max():.3f} | {difference.mean():.5f} |")
    print(f"\n8-bit levels; {picture.shape[2]}x{picture.shape[1]} input, float32")


if __name__ == "__main__":
    main()
