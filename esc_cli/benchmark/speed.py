"""The time and memory of a forward pass, by the paper's protocol.

Warm-up runs do not count. On CUDA each run lies between two events, and the peaks of the allocator
are those of the timed runs. On the CPU everything happens in a fresh process, so that the peak of
its resident memory belongs to this one workload.
"""

from __future__ import annotations

import contextlib
import gc
import statistics
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from esc_cli.benchmark.fresh_process import in_fresh_process
from esc_cli.benchmark.workload import Workload, make_step
from esc_cli.engine import memory
from esc_cli.engine.precision import choose_device
from esc_cli.engine.threads import available_cores
from esc_cli.errors import DeviceMemoryError, NonFiniteError

Check = Callable[[], None]
_STATUS = Path("/proc/self/status")
_RESET_PEAK = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Repeats:
    """Forward passes before the clock starts, and those that are timed."""

    warmup: int
    runs: int


@dataclass(frozen=True)
class Speed:
    """What one workload took.

    wall_ms and cpu_ms: each timed run; cpu_ms is the time of all threads of the process.
    peak_bytes: on CUDA the most that tensors held, on the CPU the most resident memory of the
    process; idle_bytes is what it had before its first run. reserved_bytes: on CUDA, what the
    allocator took from the device. None where it cannot be known. threads: of torch.
    """

    wall_ms: tuple[float, ...]
    cpu_ms: tuple[float, ...]
    peak_bytes: int | None
    reserved_bytes: int | None
    idle_bytes: int | None
    attention: str
    threads: int

    @property
    def mean_ms(self) -> float:
        """Mean time of a run."""
        return statistics.fmean(self.wall_ms)

    @property
    def median_ms(self) -> float:
        """Median time of a run."""
        return statistics.median(self.wall_ms)

    def percentile_ms(self, percent: float) -> float:
        """The time that `percent` of the runs stay below, interpolated."""
        return float(np.percentile(self.wall_ms, percent))


def measure(workload: Workload, repeats: Repeats, check: Check) -> Speed:
    """Time a workload. `check` is called now and then, and what it raises ends the work.

    Raises DeviceError, WeightsError, DeviceMemoryError, and NonFiniteError when the precision
    does not hold the result.
    """
    if choose_device(workload.device).type == "cpu":
        return in_fresh_process(partial(measure_here, workload, repeats, _no_check), check)
    return measure_here(workload, repeats, check)


def _no_check() -> None:
    """The parent looks after the process."""


def measure_here(workload: Workload, repeats: Repeats, check: Check) -> Speed:
    """Time a workload in this process."""
    try:
        return _measured(workload, repeats, check)
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        reason = str(error).partition("\n")[0] or "out of memory"
        raise DeviceMemoryError(reason, advice="a smaller --size or --batch") from error


def _measured(workload: Workload, repeats: Repeats, check: Check) -> Speed:
    device = choose_device(workload.device)
    if device.type == "cpu":
        torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
    with torch.inference_mode(), _cudnn_benchmark(), _quiet_flex():
        step, attention = make_step(workload, device)
        _forget_peak(device)
        idle = _resident_bytes() if device.type == "cpu" else None
        _warm_up(step, repeats.warmup, check)
        _synchronise(device)
        if device.type == "cuda":  # on the CPU the warm-up's memory belongs to the process's peak
            _forget_peak(device)
        times = []
        for _ in range(repeats.runs):
            check()
            times.append(_timed(step, device))
    wall, cpu = zip(*times, strict=True)
    peak, reserved = _peaks(device)
    return Speed(wall, cpu, peak, reserved, idle, attention, torch.get_num_threads())


def _warm_up(step: Callable[[], Tensor], runs: int, check: Check) -> None:
    for number in range(runs):
        check()
        out = step()
        if number == 0 and not bool(torch.isfinite(out).all()):
            raise NonFiniteError("the network gives NaN or Inf in this precision")


@contextlib.contextmanager
def _cudnn_benchmark() -> Iterator[None]:
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before


@contextlib.contextmanager
def _quiet_flex() -> Iterator[None]:
    """Without torch's advice to programmers: that flex is slow uncompiled stands in the table."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="flex_attention called without torch.compile")
        yield


def _timed(step: Callable[[], Tensor], device: torch.device) -> tuple[float, float]:
    """Wall and CPU milliseconds of one run."""
    cpu = time.process_time()
    wall_ms = _cuda_ms(step, device) if device.type == "cuda" else _clock_ms(step, device)
    return wall_ms, (time.process_time() - cpu) * 1000


def _cuda_ms(step: Callable[[], Tensor], device: torch.device) -> float:
    with torch.cuda.device(device):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        step()
        end.record()
        torch.cuda.synchronize(device)
    return float(begin.elapsed_time(end))


def _clock_ms(step: Callable[[], Tensor], device: torch.device) -> float:
    start = time.perf_counter()
    step()
    _synchronise(device)
    return (time.perf_counter() - start) * 1000


def _synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def _forget_peak(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    elif device.type == "cpu":
        with contextlib.suppress(OSError):  # the peak then includes the imports
            _RESET_PEAK.write_text("5")


def _peaks(device: torch.device) -> tuple[int | None, int | None]:
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        return peak, torch.cuda.max_memory_reserved(device)
    return (_peak_resident_bytes() if device.type == "cpu" else None), None


def _resident_bytes() -> int:
    return int(psutil.Process().memory_info().rss)


def _peak_resident_bytes() -> int | None:
    """The process's own high-water mark.

    Not `getrusage`: its ru_maxrss starts from what the parent had when this process was made.
    """
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        own = psutil.Process().memory_info()
        return getattr(own, "peak_wset", None)
    kib = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(kib) * 1024
