"""SIGINT and SIGTERM during a batch."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from esc_cli.cli.console import print_line
from esc_cli.errors import StoppedError
from esc_cli.tasks.stop import Stop

HANDLED = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 8.0
"""Seconds from a signal to the end of the process, whatever is at work."""


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
        with _ending_in_time():
            yield
    finally:
        for number, previous in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, previous)


@contextmanager
def _ending_in_time() -> Iterator[None]:
    """End the process `GRACE_S` after a signal, unless the block has ended by then.

    A handler in Python waits for the main thread, which may be inside a codec that never returns.
    The interpreter's wakeup descriptor hears of the signal at once, and a thread listens there. A
    sudden end is safe at any moment: results get their names when they are whole.
    """
    ours, interpreters = socket.socketpair()
    interpreters.setblocking(False)
    ended = threading.Event()
    previous = signal.set_wakeup_fd(interpreters.fileno(), warn_on_full_buffer=False)
    listener = threading.Thread(target=_listen, args=(ours, ended), daemon=True)
    listener.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(previous)
        interpreters.close()  # which the listener hears
        listener.join()
        ours.close()


def _listen(wakeups: socket.socket, ended: threading.Event) -> None:
    while heard := wakeups.recv(1):
        if heard[0] in HANDLED:
            if not ended.wait(GRACE_S):
                _end(heard[0])
            return


def _end(number: int) -> None:
    text = "stopped: a codec, a device or a full pipe did not let go in time"
    teller = threading.Thread(target=print_line, args=(text, "bold red"), daemon=True)
    teller.start()
    teller.join(0.5)  # the terminal may be what does not let go
    os._exit(128 + number)
