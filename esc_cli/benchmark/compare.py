"""An earlier benchmark, read from the JSON of its run, and the ratios to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.benchmark.results import NONE, BenchRow, Facts, Key, Row, megabytes
from esc_cli.errors import UsageError

MACHINE = ("system", "processor", "cores", "memory", "gpu", "gpu memory")
"""The facts of an environment that make the machine; the others may change between runs."""
MOST = 1e15
"""Above any time or memory, and still a number with which ratios can be computed."""


@dataclass(frozen=True)
class Earlier:
    """An earlier benchmark: its file, environment, and medians and peaks by `BenchRow.key`."""

    path: Path
    environment: Facts
    found: dict[Key, tuple[float, int | None]]

    def check_machine(self, now: Mapping[str, str]) -> None:
        """Raise UsageError, naming what differs, unless both are of one machine."""
        for name in MACHINE:
            before, after = self.environment.get(name, "none"), now.get(name, "none")
            if before != after:
                what = "is of another machine, and runs of different machines do not compare"
                raise UsageError(f"{what}: {name} {before}, now {after}", self.path)

    def check_any(self, planned: Sequence[Key]) -> None:
        """Raise UsageError, naming what there is, when it holds nothing that is to be measured."""
        if any(key in self.found for key in planned):
            return
        there = [in_words(key) for key in self.found]
        more = f", and {len(there) - 3} more" if len(there) > 3 else ""
        what = "holds none of the configurations asked for"
        raise UsageError(what, self.path, f"it holds {'; '.join(there[:3])}{more}")

    def changes(self, now: Mapping[str, str]) -> list[str]:
        """The other facts that changed, "torch 2.6.0 -> 2.7.0"."""
        names = dict.fromkeys((*self.environment, *now))
        pairs = ((n, self.environment.get(n, "none"), now.get(n, "none")) for n in names)
        return [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]


def in_words(key: Key) -> str:
    """A configuration, "esc x4 fp32, sdpa, on cpu, batch 1, input 320x180"."""
    kind = f"{key.precision}, {key.attention}{', compiled' if key.compiled else ''}"
    size = "x".join(map(str, key.input_size))
    name = f"{key.model} x{key.scale} {kind}"
    return f"{name}, on {key.device}, batch {key.batch}, input {size}"


def earlier(stored: Any, path: Path) -> Earlier:
    """The earlier run in an object that was read from a JSON file.

    Raises UsageError, naming the row and the value, for what `esc bench --json` does not write.
    """
    advice = "give a file that esc bench --json wrote, as it was written"
    try:
        if not isinstance(stored, dict) or not isinstance(stored.get("rows"), list):
            raise _NoBenchmarkError("holds no benchmark of esc")
        if not isinstance(stored.get("environment"), dict):
            raise _NoBenchmarkError("does not say on which machine it was measured")
        if not stored["rows"]:
            raise _NoBenchmarkError("holds no measured network")
        found = dict(map(_read_row, range(1, len(stored["rows"]) + 1), stored["rows"]))
    except _NoBenchmarkError as error:
        raise UsageError(str(error), path, advice) from error
    return Earlier(path, {str(k): str(v) for k, v in stored["environment"].items()}, found)


class _NoBenchmarkError(Exception):
    """What is wrong with the content of a file."""


def _read_row(number: int, row: Any) -> tuple[Key, tuple[float, int | None]]:
    if not isinstance(row, dict):
        raise _NoBenchmarkError(f"row {number} is no benchmark of esc")
    for name, (fits, wanted) in _FIELDS.items():
        if name not in row:
            raise _NoBenchmarkError(f"row {number} has no {name}")
        if not fits(row[name]):
            what = f"row {number}: {name} is {json.dumps(row[name])[:40]}, and must be {wanted}"
            raise _NoBenchmarkError(what)
    fields = {name: row[name] for name in Key._fields}
    key = Key(**fields | {"input_size": tuple(row["input_size"])})
    return key, (float(row["median_ms"]), row["peak_bytes"])


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 < value < MOST


def _is_time(value: Any) -> bool:
    return type(value) in {int, float} and 0 < value < MOST


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_count, value))


def _is_peak(value: Any) -> bool:
    return value is None or _is_count(value)


_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "model": (_is_text, "a name"),
    "scale": (_is_count, "a whole number above 0"),
    "device": (_is_text, "a name"),
    "precision": (_is_text, "a name"),
    "attention": (_is_text, "a name"),
    "compiled": (_is_flag, "true or false"),
    "batch": (_is_count, "a whole number above 0"),
    "input_size": (_is_size, "a width and a height"),
    "median_ms": (_is_time, "a time above 0"),
    "peak_bytes": (_is_peak, "a number of bytes, or null"),
}


def comparison_rows(before: Earlier, rows: Sequence[BenchRow]) -> Iterator[Row]:
    """A header, then before, now and their ratio; below 1 is faster, or leaner.

    What the earlier run did not measure is left out: see `without_ratio`.
    """
    yield ("model", "before ms", "now ms", "ratio", "before MB", "now MB", "ratio")
    for row in rows:
        if row.key not in before.found:
            continue
        median_ms, peak = before.found[row.key]
        yield (
            row.label,
            f"{median_ms:.1f}",
            f"{row.median_ms:.1f}",
            f"{row.median_ms / median_ms:.3f}",
            megabytes(peak),
            megabytes(row.peak_bytes),
            f"{row.peak_bytes / peak:.3f}" if row.peak_bytes and peak else NONE,
        )


def without_ratio(before: Earlier, rows: Sequence[BenchRow]) -> list[str]:
    """The configurations, in words, that the earlier run did not measure."""
    return [in_words(row.key) for row in rows if row.key not in before.found]
