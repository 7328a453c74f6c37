"""What a benchmark found, as plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from esc_cli.benchmark.published import PublishedSpeed
from esc_cli.model.config import ATTENTION_KERNELS

Row = tuple[str, ...]
Facts = dict[str, str]
NONE = "-"


class Key(NamedTuple):
    """A configuration: what two measurements must share to be compared."""

    model: str
    scale: int
    device: str
    precision: str
    attention: str
    compiled: bool
    batch: int
    input_size: tuple[int, int]


@dataclass(frozen=True)
class BenchRow:
    """One measured configuration. Sizes are (width, height), times ms, memory bytes.

    weights: a checkpoint's name, with ", factored" when its tables of positions were turned into
    FlashBias factors, or "fresh" for parameters that were never trained. gmacs is for the whole
    batch. peak, reserved and idle memory: see `Speed`. psnr: dB on Set5 at this scale,
    with psnr_source "published" or "measured".
    """

    model: str
    scale: int
    device: str
    precision: str
    attention: str
    compiled: bool
    batch: int
    input_size: tuple[int, int]
    output_size: tuple[int, int]
    weights: str
    parameters: int
    gmacs: float
    median_ms: float
    mean_ms: float
    p10_ms: float
    p90_ms: float
    cpu_ms: float
    images_per_s: float
    megapixels_per_s: float
    peak_bytes: int | None
    reserved_bytes: int | None
    idle_bytes: int | None
    threads: int
    wall_ms: tuple[float, ...]
    published: PublishedSpeed | None = None
    psnr: float | None = None
    psnr_source: str = ""

    @property
    def key(self) -> Key:
        """What two runs must share to be compared."""
        return Key(*(getattr(self, name) for name in Key._fields))

    @property
    def label(self) -> str:
        """The configuration in words."""
        parts = (self.precision, self.attention, "compiled" if self.compiled else "")
        return f"{self.model} x{self.scale} " + ", ".join(part for part in parts if part)


def bench_rows(rows: Sequence[BenchRow]) -> Iterator[Row]:
    """A header, then the cells of each configuration; columns without any value are left out."""
    cells = [_cells(row) for row in rows]
    names = [name for name in (cells[0] if cells else {}) if any(c[name] != NONE for c in cells)]
    yield tuple(names)
    yield from (tuple(line[name] for name in names) for line in cells)


def _cells(row: BenchRow) -> dict[str, str]:
    printed = row.published
    return {
        "model": f"{row.model} x{row.scale}",
        "precision": row.precision,
        "attention": row.attention + (", compiled" if row.compiled else ""),
        "weights": row.weights,
        "median ms": f"{row.median_ms:.1f}",
        "mean ms": f"{row.mean_ms:.1f}",
        "p10 ms": f"{row.p10_ms:.1f}",
        "p90 ms": f"{row.p90_ms:.1f}",
        "CPU ms": f"{row.cpu_ms:.1f}",
        "images/s": f"{row.images_per_s:.2f}",
        "MP/s": f"{row.megapixels_per_s:.2f}",
        "peak MB": megabytes(row.peak_bytes),
        "reserved MB": megabytes(row.reserved_bytes),
        "above idle MB": _above_idle(row),
        "parameters": f"{row.parameters:,}",
        "GMACs": f"{row.gmacs:.1f}",
        "published ms": NONE if printed is None else f"{printed.latency_ms:.1f}",
        "published MB": NONE if printed is None else f"{printed.memory_mb:.0f}",
        "published GMACs": f"{printed.gmacs:.1f}" if printed and printed.gmacs else NONE,
    }


def uncompiled_kernels(rows: Sequence[BenchRow]) -> dict[str, str]:
    """The kernels that ran uncompiled, and slowly: the type of device that compiles each."""
    found: dict[str, str] = {}
    for row in rows:
        kernel = ATTENTION_KERNELS.get(row.attention)
        device = None if kernel is None or row.compiled else kernel.compiled_on
        if device is not None and not row.device.startswith(device):
            found[row.attention] = device
    return found


def facts_line(environment: Mapping[str, str]) -> str:
    """The environment on one line."""
    return ", ".join(f"{name} {value}" for name, value in environment.items())


def megabytes(count: int | None) -> str:
    """A number of bytes in MB, for a table."""
    return NONE if count is None else f"{count / 1e6:.0f}"


def _above_idle(row: BenchRow) -> str:
    known = row.peak_bytes is not None and row.idle_bytes is not None
    return megabytes((row.peak_bytes or 0) - (row.idle_bytes or 0)) if known else NONE
