"""One process at a time, and what happens where a file system has no locks."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import filelock

from esc_cli.errors import DiskError, shown
from esc_cli.files.atomic import file_failures

LIMIT_S = 3600.0
"""How long another process is waited for: as long as a large download takes."""
TOLD_AFTER_S = 1.0
TOLD_EVERY_S = 60.0
_PAUSE_S = 0.1
_WITHOUT_LOCKS = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What network file systems answer that have no locks, as on some clusters."""


class Lock:
    """Keeps other processes away from what a file stands for, from `take` or `wait` to `release`.

    The system frees what a killed process held. The empty file stays: removing it would let two
    processes hold it. Where a file system has no locks, nobody is kept out, and `missing` says so.
    `advice` is for errors.
    """

    def __init__(self, path: Path, advice: str = "") -> None:
        self.path, self.advice = path, advice
        self.missing = ""
        # Its fallback holds a file's existence, and what a killed run left would lock for ever.
        # Who takes events may do so in any thread, and by default only the one that took a lock
        # could release it.
        self._lock = filelock.FileLock(path, fallback_to_soft=False, thread_local=False)

    def take(self) -> bool:
        """Hold it, if no other process does; holding it already is no error.

        The folder of the file is made. Raises DiskError when the file cannot be.
        """
        with file_failures(self.path, self.advice):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                return False
            except OSError as error:
                if error.errno not in _WITHOUT_LOCKS:
                    raise
                self.missing = (
                    f"the file system of {shown(self.path.parent)} has no locks "
                    f"({error.strerror}): start one esc at a time there"
                )
        return True

    def wait(
        self, limit_s: float = LIMIT_S, check_stop: Callable[[], None] | None = None
    ) -> Iterator[str]:
        """Hold it, once no other process does; yields what a user should be told meanwhile.

        `check_stop` is asked again and again, and ends the waiting by what it raises. Raises
        DiskError as `take` does, and when another process holds it longer than `limit_s`.
        """
        began, told = time.monotonic(), 0.0
        while not self.take():
            if check_stop is not None:
                check_stop()
            waited = time.monotonic() - began
            if waited >= limit_s:
                what = f"another esc has held this for {waited:.0f} s"
                raise DiskError(what, self.path, "end it, or run this again later")
            if waited >= told + (TOLD_EVERY_S if told else TOLD_AFTER_S):
                told = waited
                yield f"waiting for another esc, which holds {shown(self.path)}"
            time.sleep(_PAUSE_S)
        if self.missing:
            yield self.missing

    def release(self) -> None:
        """Let others in; no error where nothing is held."""
        self._lock.release(force=True)
