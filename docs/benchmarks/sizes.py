"""Time and peak memory by the size of the picture: at once, in patches, in tiles.

    python docs/benchmarks/sizes.py --models esc-tiny,esc-light --megapixels 0.25,1,4,16

Each row is a process of its own: the model with fresh parameters at x4 upscales a picture of noise
to 8 bits through the `Upscaler`, after a small one that loads what is loaded once. `once` has no
patches, `patches` is the default, `tiles` are those of `--tile`. Rows whose estimate is beyond the
memory of the machine are left out. Peak is what the process (on CUDA: the allocator) held at most,
less what it held before the picture.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil
import torch

from esc_cli import Upscaler
from esc_cli.engine import memory, patch_size
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.model import build
from esc_cli.model.config import NetworkConfig

SCALE = 4
MIB = 1 << 20
WAYS = ("once", "patches", "tiles")


def peak_bytes(device: torch.device) -> int:
    """What was held at most so far; on Linux without what an earlier program left."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def sides(megapixels: float) -> tuple[int, int]:
    """Height and width, 3:4."""
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    return round(megapixels * 1e6 / width), width


def estimate(config: NetworkConfig, device: torch.device, way: str, pixels: int, tile: int) -> int:
    """What the engine plans with, in bytes."""
    if way == "once":
        return int(pixels * memory.bytes_per_pixel(config, 4))
    maps = memory.map_bytes_per_pixel(config, device, 4)
    at_work = memory.at_work(config, device, 4)
    return int(at_work + maps * (pixels if way == "patches" else min(pixels, tile**2)))


def measure(arguments: argparse.Namespace) -> None:
    """One row: the model, megapixels and way of the arguments."""
    model, megapixels, way = arguments.one.split(",")
    torch.set_num_threads(arguments.threads)
    if way == "once":
        patch_size.CPU_PATCH_VALUES = patch_size.DEVICE_PATCH_PIXELS = 1 << 50
    tile = arguments.tile if way == "tiles" else WHOLE
    options = EngineOptions(device=arguments.device, precision=arguments.precision, tile=tile)
    upscaler = Upscaler(build(model, SCALE).eval(), options)
    upscaler.upscale(torch.zeros(3, 64, 64, dtype=torch.uint8), dtype=torch.uint8)
    picture = torch.randint(0, 256, (3, *sides(float(megapixels))), dtype=torch.uint8)
    before, started = peak_bytes(upscaler.device), time.perf_counter()
    done = upscaler.upscale(picture, dtype=torch.uint8)
    seconds = time.perf_counter() - started
    peak = peak_bytes(upscaler.device) - before
    assert done.tile == tile, done.notes
    expected = estimate(upscaler.config, upscaler.device, way, picture[0].numel(), arguments.tile)
    exact = picture[0].numel() / 1e6
    print(
        f"| {model} | {megapixels} | {way} | {seconds:.1f} | {seconds / exact:.2f} "
        f"| {peak / MIB:,.0f} | {expected / MIB:,.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--models", default="esc-tiny,esc-light")
    parser.add_argument("--megapixels", default="0.25,1,4,16")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--tile", type=int, default=256)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments)
        return
    print("| model | input MP | way | s | s per MP | peak MiB | estimate MiB |")
    print("|---|---|---|---|---|---|---|", flush=True)
    device = torch.device(arguments.device)
    for model in arguments.models.split(","):
        config = build(model, SCALE).config
        for megapixels in arguments.megapixels.split(","):
            for way in arguments.ways.split(","):
                pixels = int(float(megapixels) * 1e6)
                if estimate(config, device, way, pixels, arguments.tile) < memory.free_bytes(
                    device
                ):
                    row = [sys.executable, __file__, *sys.argv[1:]]
                    subprocess.run([*row, "--one", f"{model},{megapixels},{way}"], check=False)
    where = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    print(f"\nx{SCALE}, {arguments.precision}, {arguments.threads} threads,")
    print(
        f"torch {torch.__version__}, {where or platform.machine()}, {os.cpu_count()} cores, ",
        end="",
    )
    print(f"{psutil.virtual_memory().total / 2**30:.0f} GiB")


if __name__ == "__main__":
    main()
