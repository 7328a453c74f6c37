"""Time and size of the PNG encoder, beside libpng's at its level 1, on enlarged samples.

python docs/benchmarks/png.py docs/samples
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import torch

from esc_cli import Upscaler, load_model
from esc_cli.media.rgb import Pixels, encode_rgb, read_rgb

LIMIT = 1 << 26
REPEATS = 5


def cost(encode: Callable[[Pixels], bytes], pixels: Pixels) -> str:
    """Milliseconds of CPU time, the fastest of a few, and megabytes."""
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        size = len(encode(pixels))
        times.append(time.process_time() - start)
    return f"{min(times) * 1000:.1f} ms, {size / 1e6:.3f} MB"


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("folder", type=Path)
upscaler = Upscaler(load_model(scale=4))
print("| picture | result | libpng level 1 | esc |")
print("|---|---|---|---|")
for path in sorted(parser.parse_args().folder.iterdir()):
    if path.suffix not in (".png", ".jpg", ".webp"):
        continue
    small = torch.from_numpy(read_rgb(path, LIMIT).transpose(2, 0, 1).copy())
    large = upscaler.upscale(small, dtype=torch.uint8).image.permute(1, 2, 0).contiguous().numpy()
    by_libpng = cost(lambda pixels: imagecodecs.png_encode(pixels, level=1), large)
    by_esc = cost(encode_rgb, large)
    print(f"| {path.name} | {large.shape[1]}x{large.shape[0]} | {by_libpng} | {by_esc} |")
