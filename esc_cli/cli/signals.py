"""SIGINT and SIGTERM during a batch."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from esc_cli.tasks.stop import Stop

HANDLED = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping_on_signals(stop: Stop) -> Iterator[None]:
    """The first signal asks the batch to stop; a second one ends the process at once."""

    def handle(number: int, _frame: FrameType | None) -> None:
        stop.set(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, handle) for number in HANDLED}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
