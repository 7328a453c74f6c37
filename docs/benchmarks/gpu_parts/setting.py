"""What every part is told, and how it times."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

Facts = dict[str, Any]
ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Setting:
    """rehearse: on a CPU, at small sizes. golden: folders of golden files. scratch: to write in."""

    rehearse: bool
    golden: tuple[Path, ...]
    scratch: Path

    @property
    def device(self) -> torch.device:
        """Where the networks run."""
        return torch.device("cpu" if self.rehearse else "cuda")

    def pick(self, real: Any, small: Any) -> Any:
        """A value for the measurement, and one for the rehearsal."""
        return small if self.rehearse else real


Part = Callable[[Setting], Iterator[Facts]]


def finish(device: torch.device) -> None:
    """Wait for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def median_ms(work: Callable[[], Any], device: torch.device, runs: int, warmup: int) -> float:
    """The median of so many runs; on CUDA by events, none of which the host waits for."""
    for _ in range(warmup):
        work()
    finish(device)
    if device.type != "cuda":
        return statistics.median(_seconds(work) for _ in range(runs)) * 1000
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(runs + 1)]
    marks[0].record()
    for mark in marks[1:]:
        work()
        mark.record()
    finish(device)
    return statistics.median(a.elapsed_time(b) for a, b in pairwise(marks))


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def peak_bytes(work: Callable[[], Any], device: torch.device) -> int | None:
    """What a run takes at its peak beyond what was there; None without CUDA."""
    if device.type != "cuda":
        work()
        return None
    finish(device)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    finish(device)
    return torch.cuda.max_memory_allocated(device) - before


def run_esc(*arguments: str) -> None:
    """The command, as a user starts it. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "esc_cli", *arguments], check=True, cwd=ROOT)


def scene(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8: waves, edges, stripes and some noise."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 9 + y / 31), np.cos(y / (7 + seed % 5)), np.sin((x - y) / 15)], -1)
    disc = ((y - height / 2) ** 2 + (x - width / 3) ** 2 < (height / 4) ** 2)[..., None]
    stripes = ((x + 2 * y) % 5 < 2)[..., None] * (x > 2 * width / 3)[..., None]
    light = (
        0.5 + 0.25 * waves + 0.2 * disc - 0.2 * stripes + draw.normal(0, 0.01, (height, width, 3))
    )
    return (light.clip(0, 1) * 255).round().astype(np.uint8)


def save(path: Path, pixels: np.ndarray) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
