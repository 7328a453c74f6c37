"""One process at a time trains in a folder: two would go over each other's checkpoints."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import filelock

from esc_cli.errors import DiskError, UsageError

LOCK = ".lock"


class RunLock:
    """Holds the folder of a run, from `take` to the end of the block.

    The system frees what a killed process held. The empty lock file stays: removing it would let
    two processes hold it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = filelock.FileLock(folder / LOCK)

    def __enter__(self) -> RunLock:
        """Nothing is held yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let others train here."""
        self._lock.release(force=True)

    def take(self) -> None:
        """Hold the folder, which is made; holding it already is no error.

        Raises UsageError when another process does, DiskError when it cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except filelock.Timeout as error:
            advice = "wait for it or stop it, or choose another --out"
            raise UsageError("another esc trains here now", self.folder, advice) from error
        except OSError as error:
            raise DiskError(f"cannot be written: {error.strerror}", self.folder) from error

    def take_earlier_run(self) -> None:
        """As `take` where a run was before; elsewhere nothing is made."""
        if os.path.lexists(self.folder / LOCK):
            self.take()
