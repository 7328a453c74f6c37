"""A benchmark as text; every form carries the environment."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from esc_cli.benchmark.results import BenchRow, Row, bench_rows, facts_line
from esc_cli.evaluation.export import grid

Sections = Mapping[str, Sequence[Row]]
"""Further tables by title, each with its header first."""


def bench_markdown(
    rows: Sequence[BenchRow],
    environment: Mapping[str, str],
    notes: Sequence[str],
    more: Sections,
) -> str:
    """The table, the notes, what else was measured, and the environment."""
    parts = [grid(list(bench_rows(rows)))] if rows else []
    parts += ["\n".join(notes)] if notes else []
    parts += [f"## {title}\n\n{grid(list(lines))}" for title, lines in more.items()]
    return "\n\n".join((*parts, facts_line(environment))) + "\n"


def bench_csv(measured: Sequence[Mapping[str, object]], environment: Mapping[str, str]) -> str:
    """One line per measurement; the facts of the environment are columns of each."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    lines = [dict(values) | dict(environment) for values in measured]
    names = list(lines[0]) if lines else list(environment)
    writer.writerow(names)
    writer.writerows([line[name] for name in names] for line in lines)
    return stream.getvalue()


def flat(row: BenchRow) -> dict[str, object]:
    """The columns of a measured network."""
    values = asdict(row)
    values["wall_ms"] = " ".join(f"{ms:.3f}" for ms in row.wall_ms)
    for name in ("input_size", "output_size"):
        values[name] = "x".join(map(str, values[name]))
    printed = values.pop("published") or {"latency_ms": "", "memory_mb": "", "gmacs": ""}
    return values | {f"published_{name}": value for name, value in printed.items()}


def bench_json(
    rows: Sequence[BenchRow],
    environment: Mapping[str, str],
    notes: Sequence[str],
    more: Mapping[str, object],
) -> str:
    """Everything that is known, each timed run included."""
    return json.dumps(
        {
            "environment": dict(environment),
            "notes": list(notes),
            "rows": [asdict(row) for row in rows],
            **more,
        },
        indent=2,
        allow_nan=False,
    )
