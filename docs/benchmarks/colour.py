"""What the conversion of colours costs: seconds of a processor for a frame, there and back.

    OMP_NUM_THREADS=1 python docs/benchmarks/colour.py [--size 1920x1080] [--repeats 15]

Run it by turns with PYTHONPATH at this and at another version to compare the two.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import numpy as np
import torch

from esc_cli.media.video.colour_tags import levels
from esc_cli.media.video.pixel_formats import planar
from esc_cli.tasks.upscale.video.colour import ColourSpace


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1920x1080")
    parser.add_argument("--repeats", type=int, default=15)
    wish = parser.parse_args()
    width, height = (int(side) for side in wish.size.split("x"))
    layout, random = planar("yuv420p"), np.random.default_rng(0)
    sizes = layout.plane_sizes(width, height)
    frame = tuple(random.integers(16, 235, size).astype(np.uint8) for size in sizes)
    space, cpu = ColourSpace(layout, levels(1, False, 8)), torch.device("cpu")
    with torch.inference_mode():
        rgb = space.to_rgb([frame], cpu)
        for name, work in (
            ("to RGB", lambda: space.to_rgb([frame], cpu)),
            ("to 4:2:0", lambda: space.to_planes(rgb)),
        ):
            print(f"{name}: {median(seconds(work) for _ in range(wish.repeats)):.4f} s")


def seconds(work) -> float:
    """Of the processor, for one call."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
