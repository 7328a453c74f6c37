"""Running `esc bench` at sizes that take no time."""

from __future__ import annotations

from command import Command, Word

from esc_cli.benchmark.results import BenchRow

QUICK = ("--size", "192x128", "--warmup", "1", "--runs", "2", "--device", "cpu")


COMMAND = Command(("bench",))
start = COMMAND.start


def bench(*arguments: Word) -> tuple[int, str, str]:
    ran = COMMAND(*arguments)
    return ran.code, ran.out, ran.err


def row(cpu_ms: float) -> BenchRow:
    sizes = {"batch": 1, "input_size": (8, 8), "output_size": (16, 16)}
    counts = {"parameters": 1, "gmacs": 1.0, "threads": 1, "wall_ms": (100.0,)}
    times = {f"{kind}_ms": 100.0 for kind in ("median", "mean", "p10", "p90")}
    rates = {"images_per_s": 10.0, "megapixels_per_s": 1.0}
    memory = {"peak_bytes": 1, "reserved_bytes": None, "idle_bytes": 1}
    kind = {"device": "cpu", "precision": "fp32", "attention": "sdpa", "compiled": False}
    named = {"model": "esc", "scale": 2, "weights": "fresh"}
    values = named | kind | sizes | counts | times | rates | memory
    return BenchRow(cpu_ms=cpu_ms, **values)
