"""Peak memory of a forward pass on the CPU, beside the engine's estimate.

One row per call, so that each measurement has a fresh process:
python docs/benchmarks/memory.py esc 4 --side 512
"""

import argparse
import resource

import torch

from esc_cli.engine.memory import bytes_per_pixel
from esc_cli.model import build
from esc_cli.model.lte import ESCLTE

KIB = 1024


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("variant")
parser.add_argument("scale", type=int, help="0 for esc-lte, which is run at x4")
parser.add_argument("--side", type=int, default=512, help="of the square input")
arguments = parser.parse_args()

network = build(arguments.variant, arguments.scale or None).eval()


def run(side: int) -> None:
    picture = torch.rand(1, 3, side, side)
    if isinstance(network, ESCLTE):
        network(picture, (4 * side, 4 * side))
    else:
        network(picture)


with torch.inference_mode():
    run(64)  # loads what is loaded only once
    before = peak_bytes()
    run(arguments.side)
per_pixel = (peak_bytes() - before) / arguments.side**2
estimate = bytes_per_pixel(network.config, 4)
print(
    f"| {arguments.variant} | {arguments.scale or 'any'} | {arguments.side} "
    f"| {per_pixel:,.0f} | {estimate:,.0f} |"
)
