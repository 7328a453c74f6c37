"""SIGINT and SIGTERM during a batch."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from esc_cli.errors import StoppedError
from esc_cli.tasks.stop import Stop

HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_on_signals(stop: Stop) -> Iterator[None]:
    """The first signal asks the batch to stop; a second one ends the process at once.

    So it does after the block, too: Python's own handler would interrupt what torch does at the
    end of a process, with a traceback.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.set(number)
        signal.signal(number, signal.SIG_DFL)

    with _handled_by(handle):
        yield


@contextmanager
def raising_on_signals() -> Iterator[None]:
    """A signal raises StoppedError at once, also while a read waits."""

    def handle(number: int, _frame: FrameType | None) -> None:
        raise StoppedError(number)

    with _handled_by(handle):
        yield


@contextmanager
def _handled_by(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in HANDLED}
    try:
        yield
    finally:
        for number, previous in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, previous)
