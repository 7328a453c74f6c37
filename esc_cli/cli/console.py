"""The terminal: results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import os
import shlex
import sys
from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from esc_cli.errors import EscError

UNLIMITED = 10_000
"""Columns of a table that goes to a file or a pipe."""

stderr = Console(stderr=True, highlight=False, soft_wrap=True)


def command_line() -> str:
    """The command as it was given, for reports."""
    return shlex.join(["esc", *sys.argv[1:]])


def print_line(text: str, style: str = "") -> None:
    """One line on stderr; square brackets in it are text, not markup."""
    stderr.print(Text(text, style=style))


def print_error(error: EscError) -> None:
    """An error on one line of stderr."""
    print_line(f"error: {error}", "bold red")


def print_result(text: str) -> None:
    """A line on stdout, whatever its encoding; a reader that has left stops no batch."""
    if sys.stdout is None:  # the shell closed it: >&-
        return
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
        sys.stdout.flush()
    except OSError as error:
        abandon_stdout()
        if not isinstance(error, BrokenPipeError):
            print_line(f"stdout cannot be written: {error.strerror}; results are still made", "red")


def abandon_stdout() -> None:
    """From now on into the void: Python writes what it has left when it closes stdout.

    It would wait for a reader that takes nothing, and complain of one that has left.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_rows(title: str, rows: Iterable[tuple[str, ...]]) -> None:
    """A table on stdout; the first row is its header, the first column text."""
    header, *body = rows
    on_terminal = sys.stdout is not None and sys.stdout.isatty()
    grid = Table(title=title, title_justify="left")
    for index, name in enumerate(header):
        grid.add_column(Text(name), justify="right" if index else "left")
    for row in body:
        grid.add_row(*(Text(cell) for cell in row))
    width = None if on_terminal else UNLIMITED
    canvas = Console(file=io.StringIO(), width=width, force_terminal=False, highlight=False)
    with canvas.capture() as captured:
        canvas.print(grid)
    print_result(captured.get().rstrip("\n"))
