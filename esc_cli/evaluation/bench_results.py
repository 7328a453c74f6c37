"""What a benchmark found, as plain values, and how two of them compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from esc_cli.errors import UsageError
from esc_cli.evaluation.published_speed import PublishedSpeed

Row = tuple[str, ...]
Facts = dict[str, str]
MACHINE = ("system", "processor", "cores", "memory", "gpu", "gpu memory")
"""The facts of an environment that make the machine; the others may change between runs."""
NONE = "-"


@dataclass(frozen=True)
class BenchRow:
    """One measured configuration. Sizes are (width, height), times ms, memory bytes.

    weights: a checkpoint's name, or "fresh" for parameters that were never trained. gmacs is for
    the whole batch. peak, reserved and idle memory: see `Speed`. psnr: dB on Set5 at this scale,
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
    def key(self) -> tuple[object, ...]:
        """What two runs must share to be compared."""
        size = tuple(self.input_size)
        kind = (self.device, self.precision, self.attention, self.compiled)
        return (self.model, self.scale, *kind, self.batch, size)

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
        "peak MB": _megabytes(row.peak_bytes),
        "reserved MB": _megabytes(row.reserved_bytes),
        "above idle MB": _above_idle(row),
        "parameters": f"{row.parameters:,}",
        "GMACs": f"{row.gmacs:.1f}",
        "published ms": NONE if printed is None else f"{printed.latency_ms:.1f}",
        "published MB": NONE if printed is None else f"{printed.memory_mb:.0f}",
        "published GMACs": f"{printed.gmacs:.1f}" if printed and printed.gmacs else NONE,
    }


def _megabytes(count: int | None) -> str:
    return NONE if count is None else f"{count / 1e6:.0f}"


def _above_idle(row: BenchRow) -> str:
    known = row.peak_bytes is not None and row.idle_bytes is not None
    return _megabytes((row.peak_bytes or 0) - (row.idle_bytes or 0)) if known else NONE


@dataclass(frozen=True)
class Earlier:
    """An earlier benchmark: its environment, and its medians and peaks by `BenchRow.key`."""

    environment: Facts
    found: dict[tuple[object, ...], tuple[float, int | None]]

    def check_machine(self, now: Mapping[str, str]) -> None:
        """Raise UsageError, naming what differs, unless both are of one machine."""
        for name in MACHINE:
            before, after = self.environment.get(name, "none"), now.get(name, "none")
            if before != after:
                what = f"runs of different machines do not compare: {name} {before}, now {after}"
                raise UsageError(what)

    def changes(self, now: Mapping[str, str]) -> list[str]:
        """The other facts that changed, "torch 2.6.0 -> 2.7.0"."""
        names = dict.fromkeys((*self.environment, *now))
        pairs = ((n, self.environment.get(n, "none"), now.get(n, "none")) for n in names)
        return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def earlier(stored: Any) -> Earlier:
    """The earlier run in an object that was read from a JSON file. Raises ValueError."""
    try:
        environment = {str(k): str(v) for k, v in stored["environment"].items()}
        found = {_stored_key(r): (float(r["median_ms"]), r["peak_bytes"]) for r in stored["rows"]}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no benchmark of esc: {error!r}") from error
    return Earlier(environment, found)


def _stored_key(row: Mapping[str, Any]) -> tuple[object, ...]:
    kind = (row["device"], row["precision"], row["attention"], row["compiled"])
    return (row["model"], row["scale"], *kind, row["batch"], tuple(row["input_size"]))


def comparison_rows(before: Earlier, rows: Sequence[BenchRow]) -> Iterator[Row]:
    """A header, then before, now and their ratio; below 1 is faster, or leaner.

    What the earlier run did not measure has a dash there.
    """
    yield ("model", "before ms", "now ms", "ratio", "before MB", "now MB", "ratio")
    for row in rows:
        median_ms, peak = before.found.get(row.key, (None, None))
        yield (
            row.label,
            NONE if median_ms is None else f"{median_ms:.1f}",
            f"{row.median_ms:.1f}",
            _ratio(row.median_ms, median_ms),
            _megabytes(peak),
            _megabytes(row.peak_bytes),
            _ratio(row.peak_bytes, peak),
        )


def _ratio(now: float | None, before: float | None) -> str:
    return f"{now / before:.3f}" if now and before else NONE
