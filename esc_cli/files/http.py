"""The connection of a download: https only, patient with breaks, not with silence."""

from __future__ import annotations

import email.utils
import errno
import http.client
import os
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from esc_cli.errors import SetupError, UnreachableError

OFFLINE = "ESC_OFFLINE"
"""Environment variable that forbids every connection, whatever it holds but nothing, 0, no, off and
false."""

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


_CHUNK_BYTES = 1 << 18
_NOBODY = {
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.EADDRNOTAVAIL,
}


@dataclass(frozen=True)
class Link:
    """How to connect.

    `timeout_s` limits the wait for an answer and for each piece of it; over that time the file must
    also come at `slowest_bytes_per_s`. There are as many further attempts as `delays_s`. `context`
    None is Python's default, which honours SSL_CERT_FILE. `offline` forbids every connection.
    Where `given_up` is a set, hosts that never answered are kept in it and not asked again. `told`
    gets what a user should know while nothing moves.
    """

    timeout_s: float = 30.0
    slowest_bytes_per_s: float = 512.0
    delays_s: tuple[float, ...] = (1.0, 2.0, 4.0, 8.0)
    context: ssl.SSLContext | None = None
    offline: bool = False
    given_up: set[str] | None = None
    told: Callable[[str], None] = lambda _text: None

    @property
    def is_offline(self) -> bool:
        """Whether connections are forbidden, by the link or by the environment."""
        return self.offline or is_offline()


def is_offline() -> bool:
    """Whether the environment forbids every connection; see `OFFLINE`."""
    return os.environ.get(OFFLINE, "").strip().lower() not in {"", "0", "no", "off", "false"}


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


def pieces(response: http.client.HTTPResponse, link: Link) -> Iterator[bytes]:
    """The body. Raises BrokenError when it breaks, stands still or trickles."""
    since, received = time.monotonic(), 0
    while True:
        try:
            piece = response.read1(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise BrokenError(f"the transfer broke: {error or type(error).__name__}") from error
        if not piece:
            return
        received += len(piece)
        yield piece
        elapsed = time.monotonic() - since
        if elapsed >= link.timeout_s:
            if received < link.slowest_bytes_per_s * elapsed:
                raise BrokenError(f"too slow: {received} bytes in {elapsed:.0f} s")
            since, received = time.monotonic(), 0


def strong_validator(headers: Message) -> str:
    """What If-Range may hold: a strong ETag, else the date of the file, else nothing."""
    etag = str(headers.get("ETag", ""))
    return etag if etag.startswith('"') else str(headers.get("Last-Modified", ""))


def retry_after(header: str | None) -> float | None:
    """Seconds from now, out of a number or a date."""
    if header is None or header.strip().isdecimal():
        return None if header is None else float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None


class _TlsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """As the parent does, but SetupError for an address that is not https."""
        require_tls(newurl, f"{req.full_url} redirects to {newurl}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def require_tls(url: str, what: str) -> None:
    """Raise SetupError, which says `what`, unless the address is https."""
    if urlsplit(url).scheme != "https":
        raise SetupError(f"{what}: not https", advice="esc downloads over https only")


def https_opener(link: Link) -> urllib.request.OpenerDirector:
    """An opener that checks certificates and follows redirects to https only."""
    context = link.context or ssl.create_default_context()
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _TlsOnly)
