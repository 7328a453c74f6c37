"""One process at a time trains in a folder: two would go over each other's checkpoints."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from types import TracebackType

import filelock

from esc_cli.errors import DiskError, UsageError

LOCK = ".lock"
WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What network file systems answer that have no locks, as on some clusters."""


def _without_fallback(path: Path) -> filelock.BaseFileLock:
    """A lock of the system's. filelock would hold a file's existence for one where there is none,
    and what a killed run left would lock its folder for ever."""
    try:
        return filelock.FileLock(path, fallback_to_soft=False)
    except TypeError:  # an older filelock, which has no fallback
        return filelock.FileLock(path)


class RunLock:
    """Holds the folder of a run, from `take` to the end of the block.

    The system frees what a killed process held. The empty lock file stays: removing it would let
    two processes hold it. Where a file system has no locks, nobody is kept out.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = _without_fallback(folder / LOCK)

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
        except NotImplementedError:  # ENOSYS, in older filelocks
            return
        except OSError as error:
            if error.errno in WITHOUT_LOCKS:
                return
            raise DiskError(f"cannot be written: {error.strerror}", self.folder) from error

    def take_earlier_run(self) -> None:
        """As `take` where a run was before; elsewhere nothing is made."""
        if os.path.lexists(self.folder / LOCK):
            self.take()
