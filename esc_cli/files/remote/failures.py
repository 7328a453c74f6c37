"""What libraries of stores raise, as one error that says what happened and whether it may pass."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from esc_cli.errors import DiskError, EscError
from esc_cli.files.atomic import is_full
from esc_cli.files.retries import BrokenError, retry_after

Kind = Literal["missing", "denied", "refused", "broken"]
_PASSING = {408, 425, 429}
_PASSING_CODES = {"IncompleteBody", "RequestTimeout", "BadDigest", "XAmzContentSHA256Mismatch"}
"""Of S3: answers with status 400 to a transfer that was cut or damaged on its way."""
_FINAL = (FileExistsError, IsADirectoryError, NotADirectoryError, ssl.SSLCertVerificationError)
_LIBRARIES = {
    "aiohttp", "aiobotocore", "azure", "botocore", "fsspec", "gcsfs", "google", "http", "paramiko",
    "requests", "s3fs", "ssl", "urllib3",
}  # fmt: skip


class StoreError(Exception):
    """A store did not do what was asked. `kind`: whether the name is missing, access is denied,
    the request is refused for another reason, or the connection broke again and again."""

    def __init__(self, what: str, kind: Kind):
        super().__init__(what)
        self.kind = kind


@contextmanager
def store_failures(hide: Callable[[str], str], staged: Path | None = None) -> Iterator[None]:
    """Errors of a store's library as StoreError, as BrokenError those that may pass.

    `hide` takes secrets out of texts. A full disk below `staged` is a DiskError.
    """
    try:
        yield
    except (EscError, BrokenError, StoreError):
        raise
    except Exception as error:
        if staged is not None and is_full(error):
            what = "cannot be written: no space left"
            raise DiskError(what, staged, "free some space, or choose another --staging") from error
        raise _in_words(error, hide) from error


def _in_words(error: Exception, hide: Callable[[str], str]) -> Exception:
    """The error to raise instead; one that is a fault of ours stays itself."""
    cause = error.__cause__
    if isinstance(cause, Exception) and _library(cause) in {"aiohttp", "builtins"}:
        error = cause  # fsspec takes every failed look at a web server for a missing file
    answer = next((one for one in _chain(error) if _status(one)), error)
    status, text = _status(answer), hide(_text(error))
    if isinstance(error, FileNotFoundError) or status in {404, 410}:
        return StoreError("no such file" if text.startswith(("http", "/")) else text, "missing")
    is_denied = isinstance(error, PermissionError) or status in {401, 403}
    if is_denied or any("Credential" in type(one).__name__ for one in _chain(error)):
        return StoreError(f"access is denied: {text}", "denied")
    if status in _PASSING or status >= 500 or _code(answer) in _PASSING_CODES:
        wait_s = retry_after(_header(answer, "Retry-After"))
        return BrokenError(f"the server answered {status} {_code(answer)}".rstrip(), wait_s)
    if status or any(isinstance(one, _FINAL) for one in _chain(error)):
        return StoreError(f"refused: {text}", "refused")
    if isinstance(error, (OSError, EOFError)) or _library(error) in _LIBRARIES:
        return BrokenError(f"the connection failed: {text}")
    return error


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: Any) -> int:
    """The status that a server answered with, 0 for none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):
        return int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    names = ["status", "status_code"]
    if _library(error) in {"gcsfs", "google"}:  # elsewhere a code may be that of a broken transfer
        names.append("code")
    for name in names:
        value = getattr(error, name, None)
        if isinstance(value, int) and 400 <= value < 600:
            return value
    return 0


def _code(error: Any) -> str:
    """What S3 calls it."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _header(error: Any, name: str) -> str | None:
    get = getattr(getattr(error, "headers", None), "get", None)
    return None if get is None else get(name)


def _library(error: BaseException | None) -> str:
    return type(error).__module__.partition(".")[0]


def _text(error: BaseException) -> str:
    """Its own words on one line, or its name."""
    text = getattr(error, "strerror", None) or getattr(error, "message", None) or str(error)
    return " ".join(str(text).split()) or type(error).__name__
