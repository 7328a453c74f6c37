"""Files from the network: over TLS only, resumed, checked, under their name only when complete."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any, Literal

from esc_cli.errors import SetupError
from esc_cli.files.atomic import file_failures, sync_folder, write_atomic
from esc_cli.files.http import (
    OFFLINE,
    Link,
    https_opener,
    pieces,
    require_tls,
    strong_validator,
)
from esc_cli.files.lock import Lock
from esc_cli.files.retries import BrokenError, NoAnswerError, Patience, retry_after

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes in all, None while they are not known."""

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class Digest:
    """What a file must hash to: `hex` in lower case."""

    algorithm: Literal["md5", "sha256"]
    hex: str


DEFAULT_LINK = Link()


def download(  # noqa: PLR0913 - each is one promise about the file
    url: str,
    target: Path,
    *,
    digest: Digest | None = None,
    size: int | None = None,
    check: Callable[[Path], None] | None = None,
    progress: Progress = lambda _done, _total: None,
    link: Link = DEFAULT_LINK,
) -> str:
    """Fetch `url` into `target` and return the file's sha256.

    A target that is already there and passes is kept without a connection. The bytes go to the
    hidden sibling `.NAME.part`, which a later call resumes if the server still has the same file;
    `size`, `digest` and `check` (which gets the sibling and raises EscError) are asked before it
    takes the name. Other processes that want the same target wait for the first one.

    Raises SetupError with the address when the file cannot be had or is a wrong one (its
    UnreachableError when no server answers), DiskError when it cannot be written, and what `check`
    raises. A wrong file is removed, a cut one kept.
    """
    require_tls(url, url)
    with file_failures(target), exclusive(target, link.told):
        finished = _passing(target, digest, size, check)
        if finished is not None:
            return finished
        if link.is_offline:
            advice = f"fetch {url} elsewhere and put it there, or leave --offline and {OFFLINE} out"
            state = "damaged or another file" if target.is_file() else "not here"
            raise SetupError(f"{state}, and connections are forbidden", target, advice)
        transfer = _Transfer(url, target, size, digest is not None or check is not None)
        transfer.run(link, progress)
        return transfer.finish(digest, check)


@contextlib.contextmanager
def exclusive(path: Path, told: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock `.NAME.lock` beside `path`; others wait, and `told` gets why.

    Its folder is made. Raises DiskError as `Lock.wait` does. The empty lock file stays beside what
    was fetched; where nothing was, other processes would find nothing either, and it goes.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = Lock(file)
    for text in lock.wait():
        told(text)
    try:
        yield
    finally:
        if not os.path.lexists(path) and not os.path.lexists(_part_of(path)):
            with contextlib.suppress(OSError):  # Windows removes no open file, but after release
                file.unlink()
        lock.release()


def _part_of(path: Path) -> Path:
    """Where the bytes go until the file is complete."""
    return path.with_name(f".{path.name}.part")


def _passing(
    path: Path, digest: Digest | None, size: int | None, check: Callable[[Path], None] | None
) -> str | None:
    """The sha256 of a finished file that is the wanted one, else None."""
    if not path.is_file() or (size is not None and path.stat().st_size != size):
        return None
    sha256, found = _hashes(path, digest)
    if digest is not None and not hmac.compare_digest(found, digest.hex):
        return None
    if check is not None:
        try:
            check(path)
        except SetupError:
            return None
    return sha256


def _hashes(path: Path, digest: Digest | None) -> tuple[str, str]:
    """The sha256, and the hash that `digest` asks for."""
    sha256, wanted = hashlib.sha256(), _hasher(digest)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            sha256.update(chunk)
            wanted.update(chunk)
    return sha256.hexdigest(), wanted.hexdigest()


def _hasher(digest: Digest | None) -> Any:
    # md5 guards against damage here, not against attackers: TLS does that.
    return hashlib.new(digest.algorithm if digest else "sha256", usedforsecurity=False)


@dataclass(frozen=True)
class _Transfer:
    url: str
    target: Path
    size: int | None
    checkable: bool

    @property
    def part(self) -> Path:
        return _part_of(self.target)

    @property
    def origin(self) -> Path:
        """Which file of which server the part is of."""
        return self.target.with_name(f".{self.target.name}.part.json")

    def run(self, link: Link, progress: Progress) -> None:
        """Fetch into the part until it is complete, or raise SetupError."""
        opener, patience = (
            https_opener(link),
            Patience(self.url, self.target, link.pauses_s, link.given_up),
        )
        patience.begin()
        while True:
            before = self._size()
            try:
                return self._attempt(opener, link, progress)
            except BrokenError as error:
                patience.wait(error, self._size() - before)

    def finish(self, digest: Digest | None, check: Callable[[Path], None] | None) -> str:
        """Let the part pass and give it its name. Raises SetupError, and then it is removed."""
        sha256, found = _hashes(self.part, digest)
        try:
            if digest is not None and not hmac.compare_digest(found, digest.hex):
                raise self._wrong(f"its {digest.algorithm} is {found}, not {digest.hex}")
            if check is not None:
                check(self.part)
        except BaseException:
            self._discard()
            raise
        self.part.replace(self.target)
        self.origin.unlink(missing_ok=True)
        sync_folder(self.target.parent)
        return sha256

    def _attempt(
        self, opener: urllib.request.OpenerDirector, link: Link, progress: Progress
    ) -> None:
        start, validator = self._resumable()
        with self._answer(opener, link, start, validator) as response:
            self._refuse_page(response)
            start, total = self._place(response, start, validator)
            self._refuse_size(response, total)
            if start == 0:
                self._restart(response.headers)
            self._receive(pieces(response, link), start, total, progress)

    def _answer(
        self, opener: urllib.request.OpenerDirector, link: Link, start: int, validator: str
    ) -> http.client.HTTPResponse:
        headers = {"User-Agent": "esc-cli"}
        if start:
            headers |= {"Range": f"bytes={start}-", "If-Range": validator}
        request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - https
        try:
            response: http.client.HTTPResponse = opener.open(request, timeout=link.timeout_s)
        except urllib.error.HTTPError as error:
            error.close()
            raise self._refusal(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:  # or a wrong redirect
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                advice = "a proxy's certificate goes into the file that SSL_CERT_FILE names"
                what = f"{self.url}: the certificate is not trusted: {reason.verify_message}"
                raise SetupError(what, self.target, advice) from error
            raise NoAnswerError(reason) from error
        return response

    def _refusal(self, error: urllib.error.HTTPError) -> Exception:
        said = f"the server answered {error.code} {error.reason}".rstrip()
        if error.code == 416:  # the part is as long as the file, or longer
            self._discard()
            return BrokenError(said, 0.0)
        if error.code == 429 or error.code >= 500:
            return BrokenError(said, retry_after(error.headers.get("Retry-After")))
        what = f"cannot be downloaded from {self.url}: {said}"
        return SetupError(what, self.target, "the file may have moved: look for a newer esc")

    def _refuse_page(self, response: http.client.HTTPResponse) -> None:
        if response.headers.get_content_type() in {"text/html", "application/xhtml+xml"}:
            what = f"{self.url} answered with a web page instead of the file"
            advice = "a network that asks for a login does this: open it in a browser, try again"
            raise SetupError(what, self.target, advice)

    def _place(
        self, response: http.client.HTTPResponse, start: int, validator: str
    ) -> tuple[int, int | None]:
        """Where the answer's bytes belong, and the length of the file if the server tells it."""
        if response.status == 200:
            length = response.headers.get("Content-Length", "")
            return 0, int(length) if length.isdecimal() else None
        given = re.fullmatch(
            r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "").strip()
        )
        changed = start and strong_validator(response.headers) not in {"", validator}
        if response.status != 206 or given is None or int(given[1]) != start or changed:
            self._discard()
            raise BrokenError(f"the answer {response.status} does not continue the file", 0.0)
        return start, None if given[2] == "*" else int(given[2])

    def _refuse_size(self, response: http.client.HTTPResponse, total: int | None) -> None:
        if self.size is not None and total not in {None, self.size}:
            self._discard()
            raise self._wrong(f"it has {total} bytes, not {self.size}")
        known = total is not None or self.size is not None or self.checkable
        if not known and "chunked" not in response.headers.get("Transfer-Encoding", "").lower():
            what = f"{self.url}: the server does not say how long the file is"
            raise SetupError(what, self.target, "it could be cut unseen: use another address")

    def _receive(
        self, pieces: Iterator[bytes], start: int, total: int | None, progress: Progress
    ) -> None:
        """Append the pieces. Raises BrokenError for a cut, DiskError after removing the part."""
        total, done = self.size if total is None else total, start
        try:
            with self.part.open("ab") as stream:
                progress(done, total)
                for piece in pieces:
                    stream.write(piece)
                    done += len(piece)
                    if total is not None and done > total:
                        break
                    progress(done, total)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError:
            self._discard()
            raise
        if total is not None and done > total:
            self._discard()
            raise self._wrong(f"it has more than {total} bytes")
        if total is not None and done < total:
            raise BrokenError(f"the transfer was cut after {done} of {total} bytes")

    def _wrong(self, why: str) -> SetupError:
        what = f"{self.url} is not the expected file: {why}"
        return SetupError(what, self.target, "it was removed; run it again, or report it")

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _resumable(self) -> tuple[int, str]:
        """The bytes that are here and the validator of their file; (0, "") to start anew."""
        try:
            stored = json.loads(self.origin.read_text("utf-8"))
            same, validator = stored["url"] == self.url, str(stored["validator"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return 0, ""
        return (self._size(), validator) if same and validator else (0, "")

    def _restart(self, headers: Message) -> None:
        self._discard()
        origin = {"url": self.url, "validator": strong_validator(headers)}
        write_atomic(self.origin, json.dumps(origin).encode())

    def _discard(self) -> None:
        self.part.unlink(missing_ok=True)
        self.origin.unlink(missing_ok=True)
