"""Decoded pictures between the thread that reads and the network, in order and bounded."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from esc_cli.tasks.upscale.job import Settled, StreamedJob
from esc_cli.tasks.upscale.stages import Failure, Work

Decoded = Work | StreamedJob | Failure | Settled | None
"""What the reader hands on; None after the last."""
_LOOK_S = 0.2


def pixels_of(decoded: Decoded) -> int:
    """Input pixels of a picture; 0 for what is none."""
    if not isinstance(decoded, Work):
        return 0
    header = decoded.job.header
    return header.width * header.height * header.frames


class Ahead:
    """Holds up to `most` pictures, or more while all together have fewer than `pixels` pixels."""

    def __init__(self, most: int, pixels: int = 0) -> None:
        self._most, self._pixels = most, pixels
        self._waiting: deque[Decoded] = deque()
        self._changed = threading.Condition()
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nobody takes any more."""
        return self._closed

    def put(self, decoded: Decoded) -> None:
        """Wait for room; after `close` drop it."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._is_full())
            if not self._closed:
                self._waiting.append(decoded)
            self._changed.notify_all()

    def take(self, goes_on: Callable[[], bool]) -> Decoded:
        """Wait for the next and take it; None when `goes_on` ends first, which it may any time.

        A decoder may hang, and so it is asked while nothing comes.
        """
        with self._changed:
            while not self._waiting and goes_on():
                self._changed.wait(_LOOK_S)
            return self._taken() if self._waiting else None

    def take_if(self, wanted: Callable[[Decoded], bool]) -> Decoded:
        """The next if it is there already and is wanted, else None."""
        with self._changed:
            return self._taken() if self._waiting and wanted(self._waiting[0]) else None

    def close(self) -> None:
        """End all waiting for room."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _taken(self) -> Decoded:
        self._changed.notify_all()
        return self._waiting.popleft()

    def _is_full(self) -> bool:
        many = len(self._waiting) >= self._most
        return many and sum(map(pixels_of, self._waiting)) >= self._pixels
