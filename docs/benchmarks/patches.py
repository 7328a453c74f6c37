"""Seconds of a forward pass by the size of the patches that a network works on.

    python docs/benchmarks/patches.py --model esc --size 320x180

The sizes take turns in one process, after a turn that does not count; fresh parameters, x4, float32
on the CPU. The whole picture at once comes last.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace

import torch

from esc_cli.engine.patch_size import patch_pixels
from esc_cli.engine.prepare import ready
from esc_cli.engine.threads import available_cores
from esc_cli.model import build

CPU = torch.device("cpu")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--model", default="esc")
    parser.add_argument("--size", default="320x180", help="of the input, width x height")
    parser.add_argument("--pixels", default="4096,8192,16384,32768,65536")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    width, height = map(int, arguments.size.split("x"))
    network = ready(build(arguments.model, 4).eval(), CPU, torch.float32)
    x = torch.rand(1, 3, height, width)
    sizes: list[int | None] = [*map(int, arguments.pixels.split(",")), None]
    seconds: dict[int | None, list[float]] = {size: [] for size in sizes}
    with torch.inference_mode():
        for turn in range(arguments.repeats + 1):
            for size, times in seconds.items():
                network.working = replace(network.working, pixels=size)
                start = time.perf_counter()
                network(x)
                if turn:
                    times.append(time.perf_counter() - start)
    print("| pixels of a patch | median s | fastest s |")
    print("|---|---|---|")
    for size, times in seconds.items():
        print(f"| {size or 'all'} | {statistics.median(times):.2f} | {min(times):.2f} |")
    default = patch_pixels(network.config, CPU)
    print(f"\n{arguments.model} x4, {arguments.size}, {arguments.repeats} runs each in turn,")
    print(f"default {default}; torch {torch.__version__}, {arguments.threads} threads")


if __name__ == "__main__":
    main()
