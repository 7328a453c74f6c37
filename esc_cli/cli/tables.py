"""Tables on the terminal."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from esc_cli.cli.console import print_result

UNLIMITED = 10_000
"""Columns of a table that goes to a file or a pipe."""


def print_rows(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    """A table on stdout; the first row is its header, the first column text."""
    header, *body = rows
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    grid = RichTable(title=title, title_justify="left")
    for index, name in enumerate(header):
        grid.add_column(Text(name), justify="right" if index else "left")
    for row in body:
        grid.add_row(*(Text(cell) for cell in row))
    width = None if on_terminal else UNLIMITED
    canvas = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False)
    with canvas.capture() as captured:
        canvas.print(grid)
    print_result(captured.get().rstrip("\n"))
