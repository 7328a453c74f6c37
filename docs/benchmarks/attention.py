"""How fast the package's ESC is against plain compositions of the same torch operations.

    python docs/benchmarks/attention.py [--repeats 5] [--threads 2] [--same-heap]

Full-size ESC x4 with fresh seeded parameters on a 320x180 picture, float32, on the CPU. Three
ways through the same parameters take turns, each in a process of its own:

a  the network of this package
b  plain: the shared 13x13 convolution and the dynamic 3x3 one apart, split and concatenated;
   fused attention with a float mask gathered from the table
c  as b, with the scores of the attention materialised

Prints the median and the fastest run of each, the ratios of the medians to a, and what they were
measured on. A median far above the fastest run means that something else used the cores. With
--same-heap, b and c too have the heap that the package sets (`esc_cli.engine.prepare`).
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.engine.prepare import keep_freed_memory, ready
from esc_cli.engine.threads import available_cores
from esc_cli.model import Network, build

WIDTH, HEIGHT, SCALE = 320, 180, 4
DIM, PDIM, WINDOW, HEADS, BLOCKS, CONV_BLOCKS = 64, 16, 32, 4, 5, 5
TOLERANCE = 1e-4
WAYS = ("a: this package", "b: plain, fused attention", "c: plain, materialised scores")

State = dict[str, Tensor]
Attention = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""(q, k, v: (windows, h, N, d); bias (h, N, N)) -> (windows, h, N, d)."""


def fused(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention as one call of torch, the bias as its mask."""
    # Four dimensions: with three, torch falls back to materialised scores on the CPU.
    return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.unsqueeze(0))


def materialised(q: Tensor, k: Tensor, v: Tensor, bias: Tensor) -> Tensor:
    """Attention as the formula has it, the scores in memory."""
    scores = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + bias
    return scores.softmax(dim=-1) @ v


def relative_columns() -> Tensor:
    """Column of the table for each query and key, (N, N)."""
    side = torch.arange(WINDOW)
    tokens = torch.stack(torch.meshgrid(side, side, indexing="ij")).flatten(1)  # (2, N)
    rows, columns = tokens[:, None, :] - tokens[:, :, None] + WINDOW - 1  # key minus query
    return rows * (2 * WINDOW - 1) + columns


def symmetric(kernel: Tensor) -> Tensor:
    """The mean of a kernel over its 8 flips and quarter turns."""
    turned = [kernel.rot90(k, (-2, -1)) for k in range(4)]
    return torch.stack([*turned, *(turn.flip(-1) for turn in turned)]).mean(dim=0)


class PlainESC:
    """ESC x4 written down directly, with the parameters of a state dict."""

    def __init__(self, state: State, attend: Attention):
        self.state, self.attend = state, attend
        self.large = symmetric(state["plk_filter"])
        self.columns = relative_columns()

    def __call__(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, 4H, 4W)."""
        first = self._conv(x, "proj")
        features = first
        for index in range(BLOCKS):
            features = self._block(features, f"blocks.{index}")
        features = self._conv(features, "last") + first
        skip = x.repeat_interleave(SCALE**2, dim=1)
        return F.pixel_shuffle(self._conv(features, "to_img") + skip, SCALE)

    def _conv(self, x: Tensor, name: str, groups: int = 1) -> Tensor:
        weight = self.state[f"{name}.weight"]
        bias = self.state[f"{name}.bias"]
        return F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2, groups=groups)

    def _norm(self, x: Tensor, name: str) -> Tensor:
        weight, bias = self.state[f"{name}.weight"], self.state[f"{name}.bias"]
        return F.layer_norm(x.permute(0, 2, 3, 1), (DIM,), weight, bias, 1e-6).permute(0, 3, 1, 2)

    def _block(self, x0: Tensor, name: str) -> Tensor:
        x = self._conv_ffn(self._norm(x0, f"{name}.ln_proj"), f"{name}.proj")
        x = x + self._attention(self._norm(x, f"{name}.ln_attn"), f"{name}.attn")
        for index in range(CONV_BLOCKS):
            y = self._conv_ffn(x, f"{name}.convffns.{index}")
            x = x + self._conv_attn(y, f"{name}.pconvs.{index}")
        return self._conv(self._norm(x, f"{name}.ln_out"), f"{name}.conv_out") + x0

    def _conv_ffn(self, x: Tensor, name: str) -> Tensor:
        x = F.gelu(self._conv(x, f"{name}.proj"))
        x = F.gelu(self._conv(x, f"{name}.dwc", groups=x.shape[1])) + x
        return self._conv(x, f"{name}.aggr")

    def _conv_attn(self, x: Tensor, name: str) -> Tensor:
        first, rest = x.split([PDIM, DIM - PDIM], dim=1)
        pooled = F.adaptive_avg_pool2d(first, 1)
        hidden = F.gelu(self._conv(pooled, f"{name}.plk.dwc_proj.1"))
        kernels = self._conv(hidden, f"{name}.plk.dwc_proj.3").reshape(-1, 1, 3, 3)
        images = first.reshape(1, -1, *x.shape[2:])  # (1, B*P, H, W)
        own = F.conv2d(images, kernels, padding=1, groups=len(kernels)).view_as(first)
        first = F.conv2d(first, self.large, padding=self.large.shape[-1] // 2) + own
        return self._conv(torch.cat([first, rest], dim=1), f"{name}.aggr")

    def _attention(self, x: Tensor, name: str) -> Tensor:
        height, width = x.shape[-2:]
        x = F.pad(x, (0, -width % WINDOW, 0, -height % WINDOW), mode="reflect")
        qkv = self._conv(x, f"{name}.to_qkv")
        rows, columns = x.shape[2] // WINDOW, x.shape[3] // WINDOW
        grid = qkv.reshape(-1, 3, HEADS, DIM // HEADS, rows, WINDOW, columns, WINDOW)
        grid = grid.permute(1, 0, 4, 6, 2, 5, 7, 3)  # (3, B, rows, columns, h, w, w, d)
        q, k, v = grid.reshape(3, -1, HEADS, WINDOW**2, DIM // HEADS)  # (windows, h, N, d) each
        bias = self.state[f"{name}.relative_position_bias"][:, self.columns]  # (h, N, N)
        y = self.attend(q, k, v, bias)
        y = y.reshape(-1, rows, columns, HEADS, WINDOW, WINDOW, DIM // HEADS)
        y = y.permute(0, 3, 6, 1, 4, 2, 5).reshape(x.shape)  # (B, C, H, W)
        return self._conv(y[..., :height, :width], f"{name}.to_out")


def seeded_network() -> Network:
    """ESC x4 with fresh parameters, those that start at zero filled with noise."""
    torch.manual_seed(0)
    network = build("esc", SCALE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.02)
    return network


def network_of(way: str, same_heap: bool) -> Callable[[Tensor], Tensor]:
    """One of the three ways, with the same parameters."""
    network = seeded_network()
    if way.startswith("a"):
        return ready(network, torch.device("cpu"), torch.float32)
    if same_heap:
        keep_freed_memory()
    state = {key: value.detach() for key, value in network.state_dict().items()}
    return PlainESC(state, fused if way.startswith("b") else materialised)


def serve(pipe: Connection, way: str, threads: int, same_heap: bool) -> None:
    """Answer each request with the output and the seconds of a run; one before does not count."""
    torch.set_num_threads(threads)
    run = network_of(way, same_heap)
    x = torch.rand(1, 3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        while pipe.recv():
            run(x)
            start = time.perf_counter()
            output = run(x)
            pipe.send((time.perf_counter() - start, output.numpy()))


def timed(repeats: int, threads: int, same_heap: bool) -> list[list[float]]:
    """Seconds of each run of each way, which take turns. A first turn checks that all agree."""
    context = multiprocessing.get_context("spawn")
    pipes = []
    for way in WAYS:
        ours, theirs = context.Pipe()
        context.Process(target=serve, args=(theirs, way, threads, same_heap), daemon=True).start()
        theirs.close()  # so that a process that ends is an error here
        pipes.append(ours)
    seconds: list[list[float]] = [[] for _ in WAYS]
    first = None
    for turn in range(repeats + 1):
        for way, times, pipe in zip(WAYS, seconds, pipes, strict=True):
            pipe.send(True)
            taken, output = pipe.recv()
            first = output if first is None else first
            difference = float(abs(output - first).max())
            assert difference <= TOLERANCE, f"{way} differs from the first by {difference:.2g}"
            if turn > 0:
                times.append(taken)
    for pipe in pipes:
        pipe.send(False)
    return seconds


def cpu_model() -> str:
    """The processor's own name where the system tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--repeats", type=int, default=5, help="timed runs of each way")
    parser.add_argument("--threads", type=int, default=available_cores())
    parser.add_argument("--same-heap", action="store_true", help="the package's heap for all")
    arguments = parser.parse_args()
    found = timed(arguments.repeats, arguments.threads, arguments.same_heap)
    first = statistics.median(found[0])
    print("| way | median s | fastest s | ratio of medians to a |")
    print("|---|---|---|---|")
    for name, seconds in zip(WAYS, found, strict=True):
        median = statistics.median(seconds)
        print(f"| {name} | {median:.2f} | {min(seconds):.2f} | {median / first:.2f} |")
    print(f"\nesc x{SCALE}, {WIDTH}x{HEIGHT}, float32, {arguments.repeats} runs each in turn;")
    print(f"torch {torch.__version__}, {arguments.threads} threads, {cpu_model()}")


if __name__ == "__main__":
    main()
