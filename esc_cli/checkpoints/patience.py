"""How often an address is asked again, and when it is given up."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from esc_cli.checkpoints.link import BrokenError, Link, NoAnswerError
from esc_cli.errors import SetupError, UnreachableError

_LONGEST_WAIT_S = 60.0
_GAIN_BYTES = 1 << 20  # a break after this much news does not count against the attempts


@dataclass
class Patience:
    """The attempts at one address, whose file goes to `target`."""

    link: Link
    url: str
    target: Path
    failures: int = 0
    answered: bool = False

    @property
    def host(self) -> str:
        """The server, as the address names it."""
        return urlsplit(self.url).netloc

    def begin(self) -> None:
        """Raise UnreachableError for a server that was given up before."""
        if self.host in (self.link.given_up or ()):
            raise self._unreachable(f"{self.host} could not be reached before")

    def wait(self, error: BrokenError, gained_bytes: int) -> None:
        """Wait for the next attempt, after one that brought so many bytes.

        Raises SetupError when there is none: the attempts are used up, or nobody is there. A
        server that has answered once is waited for even if it cannot be reached for a while.
        """
        self.answered = self.answered or not isinstance(error, NoAnswerError)
        self.failures = 0 if gained_bytes >= _GAIN_BYTES else self.failures
        used_up = self.failures == len(self.link.delays_s)
        if isinstance(error, NoAnswerError) and not self.answered and (used_up or error.nobody):
            if self.link.given_up is not None:
                self.link.given_up.add(self.host)
            raise self._unreachable(f"{self.host} cannot be reached: {error}") from error
        if used_up:
            what = f"cannot be downloaded from {self.url}: {error}"
            advice = "look at the connection and run it again; what is here is kept"
            raise SetupError(what, self.target, advice) from error
        wait_s = self.link.delays_s[self.failures] if error.wait_s is None else error.wait_s
        time.sleep(min(wait_s, _LONGEST_WAIT_S))
        self.failures += 1

    def _unreachable(self, why: str) -> UnreachableError:
        what = f"cannot be downloaded from {self.url}: {why}"
        advice = "look at the connection, or the proxy, and run it again"
        return UnreachableError(what, self.target, advice)
