"""The connection of a download: https only, and never a silence without end."""

from __future__ import annotations

import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from typing import IO
from urllib.parse import urlsplit

from esc_cli.errors import SetupError
from esc_cli.files.retries import DOWNLOAD_PAUSES_S, BrokenError

OFFLINE = "ESC_OFFLINE"
"""Environment variable that forbids every connection, whatever it holds but nothing, 0, no, off and
false."""

_CHUNK_BYTES = 1 << 18


def _untold(_text: str) -> None:
    """A function with a name, so that a link can be sent to another process."""


@dataclass(frozen=True)
class Link:
    """How to connect.

    `timeout_s` limits the wait for an answer and for each piece of it; over that time the file must
    also come at `slowest_bytes_per_s`. There are as many further attempts as `pauses_s`. `context`
    None is Python's default, which honours SSL_CERT_FILE. `offline` forbids every connection.
    Where `given_up` is a set, hosts that never answered are kept in it and not asked again. `told`
    gets what a user should know while nothing moves.
    """

    timeout_s: float = 30.0
    slowest_bytes_per_s: float = 512.0
    pauses_s: tuple[float, ...] = DOWNLOAD_PAUSES_S
    context: ssl.SSLContext | None = None
    offline: bool = False
    given_up: set[str] | None = None
    told: Callable[[str], None] = _untold

    @property
    def is_offline(self) -> bool:
        """Whether connections are forbidden, by the link or by the environment."""
        return self.offline or is_offline()


def is_offline() -> bool:
    """Whether the environment forbids every connection; see `OFFLINE`."""
    return os.environ.get(OFFLINE, "").strip().lower() not in {"", "0", "no", "off", "false"}


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
