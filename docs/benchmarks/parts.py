"""Where the time of esc goes on a CPU: the operations of a pass, and the two heaviest alone.

    python docs/benchmarks/parts.py [--repeats 20]

Full-size esc x4 with fresh parameters, 320x180, float32, one thread, processor time, because a
profile of several threads counts their waiting. First the share of each operation in a pass; then
the attention of one strip of windows, the single calls that it consists of and torch's fused
kernel, and the large convolution of a strip directly and in the frequency domain, with its error.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.engine.prepare import ready
from esc_cli.model import build
from esc_cli.model.biased_attention import BiasedAttention, masked_attention
from esc_cli.model.layers import geometric_ensemble
from esc_cli.model.onednn import product, product_plus
from esc_cli.model.spectral import SpectralKernel

WINDOWS, HEADS, TOKENS, DEPTH, CHANNELS = 10, 4, 1024, 16, 16


def fastest_ms(step: Callable[[], object], repeats: int) -> float:
    """Processor time of the fastest run."""
    found = []
    for _ in range(repeats):
        start = time.process_time()
        step()
        found.append(time.process_time() - start)
    return 1e3 * min(found)


def shares() -> None:
    """The operations of a pass that take at least a hundredth of it."""
    network = ready(build("esc", 4).eval(), torch.device("cpu"), torch.float32)
    x = torch.rand(1, 3, 180, 320)
    network(x)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        network(x)
    rows = sorted(profile.key_averages(), key=lambda row: -row.self_cpu_time_total)
    total = sum(row.self_cpu_time_total for row in rows)
    print("| operation | share of the pass | calls |\n|---|---|---|")
    for row in rows:
        if row.self_cpu_time_total > 0.01 * total:
            print(f"| {row.key} | {row.self_cpu_time_total / total:.0%} | {row.count} |")


def attention(repeats: int) -> None:
    """One strip of windows, by torch's fused kernel, and as many single calls as we make."""
    q, k, v = torch.randn(3, WINDOWS, HEADS, TOKENS, DEPTH).unbind()
    bias = torch.randn(HEADS, TOKENS, TOKENS)
    ours = BiasedAttention(bias)
    queries, keys, values = q[0, 0], k[0, 0], v[0, 0].T.contiguous()
    scores, powers = torch.randn(2, TOKENS, TOKENS)
    calls = WINDOWS * HEADS

    def many(step: Callable[[], Tensor]) -> Callable[[], object]:
        return lambda: [step() for _ in range(calls)]

    steps: dict[str, Callable[[], object]] = {
        "attention, ten windows": lambda: ours(q, k, v),
        "its products with the keys, and the bias": many(
            lambda: product_plus(queries, keys, bias[0])
        ),
        "its powers of two": many(lambda: torch.exp2(scores, out=powers)),
        "as many exponentials": many(lambda: torch.exp(scores, out=powers)),
        "its sums": many(lambda: scores.sum(-1)),
        "its products with the values": many(lambda: product(scores, values)),
        "torch's fused attention": lambda: masked_attention(q, k, v, bias),
    }
    for name, step in steps.items():
        print(f"| {name} | {fastest_ms(step, repeats):.1f} ms |")


def convolution(repeats: int) -> None:
    """A strip of 32x320 pixels with its margin of 6 rows."""
    x = torch.randn(1, CHANNELS, 44, 320).contiguous(memory_format=torch.channels_last)
    kernel = geometric_ensemble(torch.randn(CHANNELS, CHANNELS, 13, 13))
    spectral = SpectralKernel(kernel)
    direct = fastest_ms(lambda: F.conv2d(x, kernel, padding=(0, 6)), repeats)
    by_spectrum = fastest_ms(lambda: spectral(x, (6, 6, 0, 0)), repeats)
    print(f"| 13x13 convolution, 32x320 | {direct:.2f} ms |")
    print(f"| the same by its spectrum | {by_spectrum:.2f} ms |")
    exact = F.conv2d(x.double(), kernel.double(), padding=(0, 6))
    results = F.conv2d(x, kernel, padding=(0, 6)), spectral(x, (6, 6, 0, 0))
    errors = [float((result - exact).abs().max() / exact.abs().max()) for result in results]
    print(f"\nerror against double precision, of the maximum: {errors[0]:.1e} and {errors[1]:.1e}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeats", type=int, default=20)
    repeats = parser.parse_args().repeats
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with torch.inference_mode():
        shares()
        print("\n| what | fastest |\n|---|---|")
        attention(repeats)
        convolution(repeats)
    print(f"\ntorch {torch.__version__}, one thread")


if __name__ == "__main__":
    main()
