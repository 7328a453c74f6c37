"""Time of a forward pass in bf16 against fp32 on a processor, the two taking turns.

    python docs/benchmarks/precision.py --models esc-tiny,esc-light --size 320x180

Fresh parameters, x4. The ratio of medians says whether `--precision fast` may choose bf16 here.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch

from esc_cli.engine.precision import DTYPES, Precision
from esc_cli.engine.prepare import ready
from esc_cli.engine.threads import available_cores
from esc_cli.model import Network, build

CPU = torch.device("cpu")
COMPARED: tuple[Precision, ...] = ("fp32", "bf16")


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--models", default="esc-tiny,esc-light")
    parser.add_argument("--size", default="320x180", help="of the input, width x height")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=available_cores())
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    width, height = map(int, arguments.size.split("x"))
    print("| network | fp32, median s | bf16, median s | ratio of medians |\n|---|---|---|---|")
    for model in arguments.models.split(","):
        times = _alternating(model, (height, width), arguments.repeats)
        fp32, bf16 = (statistics.median(times[name]) for name in COMPARED)
        print(f"| {model} | {fp32:.3f} | {bf16:.3f} | {bf16 / fp32:.2f} |", flush=True)
    print(f"\nx4, {arguments.size}, {arguments.repeats} runs each in turn, torch", end=" ")
    print(f"{torch.__version__}, {arguments.threads} threads")


def _alternating(model: str, size: tuple[int, int], repeats: int) -> dict[Precision, list[float]]:
    network = build(model, 4).eval()
    ways: dict[Precision, Network] = {n: ready(network, CPU, DTYPES[n]) for n in COMPARED}
    times: dict[Precision, list[float]] = {name: [] for name in COMPARED}
    x = torch.rand(1, 3, *size)
    with torch.inference_mode():
        for turn in range(repeats + 1):  # the first does not count
            for name, way in ways.items():
                start = time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()
                way(x.to(DTYPES[name]))
                end = time.process_time() if torch.get_num_threads() == 1 else time.perf_counter()
                if turn:
                    times[name].append(end - start)
    return times


if __name__ == "__main__":
    main()
