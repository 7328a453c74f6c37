"""Checkpoints on their way here, on the terminal or in a log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from esc_cli.cli.console import print_line, stderr
from esc_cli.cli.signals import raising_on_signals
from esc_cli.tasks.weights.pull import Supply, Tell, watched_supply


def note(text: str) -> None:
    """A line that a user should see now."""
    print_line(f"note: {text}", "yellow")


def supply(*, offline: bool, quiet: bool = False) -> Supply:
    """How a command fetches checkpoints: with a bar on a terminal, one line in a log, or quietly.

    A signal meanwhile raises StoppedError at once; what is here then is kept, to be resumed.
    """

    @contextlib.contextmanager
    def watch(name: str, url: str) -> Iterator[Tell]:
        told = quiet or stderr.is_terminal
        with raising_on_signals(), bytes_bar(quiet=quiet) as bar:
            task = bar.add_task(name, total=None)

            def tell(done: int, total: int | None) -> None:
                nonlocal told
                if not told:
                    print_line(f"fetching {name} from {url}")
                    told = True
                bar.update(task, completed=done, total=total)

            yield tell

    return watched_supply(watch, note, offline=offline)


def bytes_bar(*, quiet: bool = False) -> Progress:
    """Bytes and speed on stderr; nothing when that is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    disable = quiet or not stderr.is_terminal
    return Progress(*columns, console=stderr, disable=disable, transient=True)
