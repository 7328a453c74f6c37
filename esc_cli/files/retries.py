"""What is tried again, how often, and how long is waited in between: downloads, stores, renames."""

from __future__ import annotations

import email.utils
import errno
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from esc_cli.errors import SetupError, UnreachableError

DOWNLOAD_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each further attempt at an address."""
STORE_PAUSES_S = (1.0, 2.0, 4.0, 8.0)
"""Before each further attempt at a file of a store."""
RENAME_PAUSES_S = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Before each further attempt at a rename."""

T = TypeVar("T")
_LONGEST_WAIT_S = 60.0  # that a server may ask for
_GAIN_BYTES = 1 << 20  # a break after this much news does not count against the attempts
_FOR_A_MOMENT = (errno.EACCES, errno.EPERM, errno.EBUSY)
_NOBODY = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
}


class BrokenError(Exception):
    """An attempt failed in a way that may pass; the server may have said when."""

    def __init__(self, reason: str, wait_s: float | None = None):
        super().__init__(reason)
        self.wait_s = wait_s


class NoAnswerError(BrokenError):
    """An attempt got no answer at all; with `nobody` there is nobody who could answer."""

    def __init__(self, reason: BaseException):
        super().__init__(getattr(reason, "strerror", None) or str(reason) or type(reason).__name__)
        number = getattr(reason, "errno", None)
        self.nobody = isinstance(reason, socket.gaierror) or number in _NOBODY


@dataclass
class Patience:
    """The attempts at one address, whose file goes to `target`: one more than there are `pauses_s`.

    Where `given_up` is a set, hosts that never answered are kept in it and not asked again.
    """

    url: str
    target: Path
    pauses_s: tuple[float, ...] = DOWNLOAD_PAUSES_S
    given_up: set[str] | None = None
    failures: int = 0
    answered: bool = False

    @property
    def host(self) -> str:
        """The server, as the address names it."""
        return urlsplit(self.url).netloc

    def begin(self) -> None:
        """Raise UnreachableError for a server that was given up before."""
        if self.host in (self.given_up or ()):
            raise self._unreachable(f"{self.host} could not be reached before")

    def wait(self, error: BrokenError, gained_bytes: int) -> None:
        """Wait for the next attempt, after one that brought so many bytes.

        Raises SetupError when there is none: the attempts are used up, or nobody is there. A
        server that has answered once is waited for even if it cannot be reached for a while.
        """
        self.answered = self.answered or not isinstance(error, NoAnswerError)
        self.failures = 0 if gained_bytes >= _GAIN_BYTES else self.failures
        used_up = self.failures == len(self.pauses_s)
        if isinstance(error, NoAnswerError) and not self.answered and (used_up or error.nobody):
            if self.given_up is not None:
                self.given_up.add(self.host)
            raise self._unreachable(f"{self.host} cannot be reached: {error}") from error
        if used_up:
            what = f"cannot be downloaded from {self.url}: {error}"
            advice = "look at the connection and run it again; what is here is kept"
            raise SetupError(what, self.target, advice) from error
        wait_s = self.pauses_s[self.failures] if error.wait_s is None else error.wait_s
        time.sleep(min(wait_s, _LONGEST_WAIT_S))
        self.failures += 1

    def _unreachable(self, why: str) -> UnreachableError:
        what = f"cannot be downloaded from {self.url}: {why}"
        advice = "look at the connection, or the proxy, and run it again"
        return UnreachableError(what, self.target, advice)


def patiently(attempt: Callable[[], T], pause: Callable[[float], None]) -> T:
    """What an attempt returns at last: it is made again, after a `pause`, when it was broken.

    Raises the BrokenError of the last attempt, and what `pause` raises to end them.
    """
    for pause_s in STORE_PAUSES_S:
        try:
            return attempt()
        except BrokenError as error:
            pause(min(pause_s if error.wait_s is None else error.wait_s, _LONGEST_WAIT_S))
    return attempt()


def retry_after(header: str | None) -> float | None:
    """Seconds from now, out of a number or a date."""
    if header is None or header.strip().isdecimal():
        return None if header is None else float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


def rename_patiently(place: Path, path: Path) -> None:
    """Take the name; a share on which another program has the file open denies that for a moment.

    Raises the OSError of the last attempt.
    """
    for pause_s in (*RENAME_PAUSES_S, None):
        try:
            place.replace(path)
        except OSError as error:
            if pause_s is None or error.errno not in _FOR_A_MOMENT:
                raise
            time.sleep(pause_s)
        else:
            return
