"""How a batch is asked to stop."""

from __future__ import annotations

from esc_cli.errors import StoppedError


class Stop:
    """A wish to stop, set from a signal handler and looked at between tiles and items."""

    def __init__(self) -> None:
        self.signal_number: int | None = None

    def set(self, signal_number: int) -> None:
        """Ask for a stop. Does nothing that a signal handler may not do."""
        self.signal_number = signal_number

    def __bool__(self) -> bool:
        return self.signal_number is not None

    def check(self) -> None:
        """Raise StoppedError once a stop was asked for."""
        if self.signal_number is not None:
            raise StoppedError(self.signal_number)
