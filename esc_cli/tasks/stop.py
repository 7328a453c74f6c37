"""How a batch is asked to stop."""

from __future__ import annotations

import time

from esc_cli.errors import StoppedError


class Stop:
    """A wish to stop, set from a signal handler and looked at between tiles and items."""

    def __init__(self) -> None:
        self.signal_number: int | None = None
        self._end: float | None = None

    def limit(self, seconds: float) -> None:
        """Give the batch so many seconds from now. It ends no work, only what would come next."""
        self._end = time.monotonic() + seconds

    @property
    def is_due(self) -> bool:
        """Whether the time of the batch is up."""
        return self._end is not None and time.monotonic() >= self._end

    @property
    def seconds_left(self) -> float | None:
        """Seconds until the time of the batch is up, None for no limit."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def set(self, signal_number: int) -> None:
        """Ask for a stop. Does nothing that a signal handler may not do."""
        self.signal_number = signal_number

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def check(self) -> None:
        """Raise StoppedError once a stop was asked for."""
        if self.signal_number is not None:
            raise StoppedError(self.signal_number)
