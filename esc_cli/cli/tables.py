"""Evaluation tables on the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from esc_cli.evaluation.export import summary_rows
from esc_cli.evaluation.results import Table

stdout = Console(highlight=False)


def print_table(table: Table, per_picture: bool) -> None:
    """Means of a set, with published values and differences; every picture when asked."""
    header, *rows = summary_rows(table)
    count = len(table.images)
    _print(f"{table.dataset} x{table.scale}, mean of {count} pictures", header, rows)
    if per_picture:
        names = [f"{m} {k.label}" for m in table.methods for k in table.metrics]
        lines = [
            (
                image,
                *(
                    metric.format(table.value(image, method, metric.name))
                    for method in table.methods
                    for metric in table.metrics
                ),
            )
            for image in table.images
        ]
        _print("pictures", ("picture", *names), lines)


def _print(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    grid = RichTable(title=title, title_justify="left")
    for index, name in enumerate(header):
        grid.add_column(Text(name), justify="right" if index else "left")
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    stdout.print(grid)
