"""Running `esc bench` at sizes that take no time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from esc_cli.benchmark.results import BenchRow

ROOT = Path(__file__).parents[2]
QUICK = ("--size", "192x128", "--warmup", "1", "--runs", "2", "--device", "cpu")


def start(*arguments: object) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "esc_cli", "bench", *map(str, arguments)]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(words, env=environment, text=True, **pipes)


def bench(*arguments: object) -> tuple[int, str, str]:
    process = start(*arguments)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    return process.returncode, out, err


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
