"""Tables as text: Markdown, CSV, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence

from esc_cli.errors import shown
from esc_cli.evaluation.decimals import ROUNDING, Metric
from esc_cli.evaluation.results import Table

Row = tuple[str, ...]


def summary_rows(table: Table) -> Iterator[Row]:
    """A header, then a row of means per method; published values and differences where printed."""
    yield ("method", *(name for metric in table.metrics for name in _columns(table, metric)))
    for method in table.methods:
        cells = (cell for metric in table.metrics for cell in _cells(table, method, metric))
        yield (method, *cells)


def _has_published(table: Table, metric: Metric) -> bool:
    return any(metric.name in values for values in table.published.values())


def _columns(table: Table, metric: Metric) -> Iterator[str]:
    yield f"{metric.label} {'↓' if metric.lower_is_better else '↑'}"
    if _has_published(table, metric):
        yield from ("published", "difference")


def _cells(table: Table, method: str, metric: Metric) -> Iterator[str]:
    mean = table.mean(method, metric.name)
    yield metric.format(mean)
    if not _has_published(table, metric):
        return
    printed = table.published.get(method, {}).get(metric.name)
    yield metric.format(printed)
    known = mean is not None and printed is not None
    yield f"{(mean or 0) - (printed or 0):+.{metric.digits}f}" if known else "-"


def to_markdown(tables: Sequence[Table]) -> str:
    """A section per dataset and scale: means, then every picture."""
    parts = []
    for table in tables:
        parts.append(f"## {table.dataset} x{table.scale}\n")
        if table.measured is not None:
            parts.append(f"{table.measured.text}.\n")
        parts.append(grid(list(summary_rows(table))) + "\n")
        parts.append(grid(list(picture_rows(table))) + "\n")
    return "\n".join(parts)


def picture_rows(table: Table) -> Iterator[Row]:
    """A header, then a row per picture with the values of every method."""
    yield ("picture", *(f"{m} {k.label}" for m in table.methods for k in table.metrics))
    for image in table.images:
        cells = (
            metric.format(table.value(image, method, metric.name))
            for method in table.methods
            for metric in table.metrics
        )
        yield (shown(image), *cells)


def grid(rows: list[Row]) -> str:
    """A Markdown table; the first row is its header, the first column text."""
    header, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    rule = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *body))


def to_csv(tables: Sequence[Table]) -> str:
    """One line per picture and method, and one with image "mean" per method."""
    names = list(dict.fromkeys(metric.name for table in tables for metric in table.metrics))
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    how = ["border", "channels", "rounding"]
    writer.writerow(["dataset", "scale", "method", "image", *names, *how])
    for table in tables:
        told = _measured(table).values()
        for score in table.scores:
            values = [score.values.get(name, "") for name in names]
            row = [table.dataset, table.scale, score.method, score.image, *values, *told]
            writer.writerow(row)
        for method in table.methods:
            means = [table.mean(method, name) for name in names]
            cells = ["" if mean is None else mean for mean in means]
            writer.writerow([table.dataset, table.scale, method, "mean", *cells, *told])
    return stream.getvalue()


def _measured(table: Table) -> dict[str, object]:
    """How full-reference metrics were measured; None for each without them."""
    how = table.measured
    if how is None:
        return {"border": None, "channels": None, "rounding": None}
    return {"border": how.border, "channels": how.channels, "rounding": ROUNDING}


def to_json(tables: Sequence[Table], environment: Mapping[str, str]) -> str:
    """The environment, and per table means, published values and every picture."""
    return json.dumps(
        {"environment": dict(environment), "tables": [_as_object(table) for table in tables]},
        indent=2,
        allow_nan=False,
    )


def _as_object(table: Table) -> dict[str, object]:
    return {
        "dataset": table.dataset,
        "scale": table.scale,
        **_measured(table),
        "lower_is_better": [m.name for m in table.metrics if m.lower_is_better],
        "seeded": [m.name for m in table.metrics if m.seeded],
        "means": {
            method: {m.name: _finite(table.mean(method, m.name)) for m in table.metrics}
            for method in table.methods
        },
        "published": table.published,
        "pictures": [
            {
                "image": s.image,
                "method": s.method,
                "seconds": s.seconds,
                **{name: _finite(value) for name, value in s.values.items()},
            }
            for s in table.scores
        ],
    }


def _finite(value: float | None) -> float | str | None:
    """JSON knows no infinity, the PSNR of equal pictures."""
    return value if value is None or math.isfinite(value) else str(value)
