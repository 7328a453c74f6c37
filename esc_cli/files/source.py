"""Opening inputs: regular files only, never blocking, every failure a ReadError with the path."""

from __future__ import annotations

import errno
import io
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from esc_cli.errors import EscError, ReadError, UnsupportedError

# Without O_NONBLOCK the opening of a FIFO waits for a writer, for ever if need be.
_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)
_SPECIAL = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def read_source(path: Path) -> bytes:
    """The whole content of a regular file.

    Raises ReadError: missing, no permission, a broken or looping link, no regular file, empty.
    """
    with open_source(path) as stream, reading(path):
        return stream.read()


@contextmanager
def open_source(source: bytes | Path) -> Iterator[BinaryIO]:
    """A seekable stream over bytes or over a regular file; ReadError as in `read_source`."""
    if isinstance(source, bytes):
        if not source:
            raise ReadError("the file is empty")
        yield io.BytesIO(source)
        return
    with _open_regular(source) as stream:
        yield stream


def _open_regular(path: Path) -> BinaryIO:
    try:
        # A FIFO would block and a device could act, so look before opening as well as after.
        _refuse_special(path.stat(), path)
        handle = os.open(path, _FLAGS)
    except OSError as error:
        raise ReadError(_why(error, path), path) from error
    try:
        status = os.fstat(handle)
        _refuse_special(status, path)
        if status.st_size == 0:
            raise ReadError("the file is empty", path)
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def _refuse_special(status: os.stat_result, path: Path) -> None:
    if stat.S_ISREG(status.st_mode):
        return
    name = next((name for test, name in _SPECIAL if test(status.st_mode)), "no regular file")
    raise ReadError(f"this is {name}, not a picture", path)


def _why(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError):
        return "a link to a file that is not there" if path.is_symlink() else "no such file"
    if isinstance(error, PermissionError):
        return "permission denied"
    if error.errno == errno.ELOOP:
        return "a link that leads back to itself"
    return f"cannot be opened: {error.strerror or error}"


@contextmanager
def reading(path: Path | None) -> Iterator[None]:
    """The boundary around the decoders: whatever they raise leaves as an EscError with `path`."""
    try:
        yield
    except EscError as error:
        if error.path is not None or path is None:
            raise
        raise type(error)(error.what, path, error.advice) from error
    except MemoryError as error:
        raise ReadError("not enough memory to decode it", path) from error
    # Decoders raise anything at all over damaged bytes: struct.error, SyntaxError, ValueError...
    except Exception as error:
        raise _in_words(error, path) from error


# What decoders say of files that end too early, and of kinds that they do not know.
_CUT = re.compile("truncated|too short|not enough|unexpected end|premature|ran out", re.IGNORECASE)
_UNKNOWN = re.compile("not supported|unsupported|not available|not implemented", re.IGNORECASE)


def _in_words(error: Exception, path: Path | None) -> EscError:
    """What a decoder raised, without its text, which names objects and bytes of its own."""
    # A decoder that a damaged offset sends before the beginning of its file gets EINVAL.
    if isinstance(error, OSError) and error.errno not in {None, errno.EINVAL}:
        return ReadError(f"cannot be read: {error.strerror}", path)
    if isinstance(error, NotImplementedError) or _UNKNOWN.search(str(error)):
        return UnsupportedError("this variant of its format is not supported", path)
    what = "its data cannot be decoded"
    if type(error).__name__ == "UnidentifiedImageError":
        what = "its header cannot be read"
    elif isinstance(error, EOFError) or _CUT.search(str(error)):
        what = "the file is cut short"
    return ReadError(f"the picture is damaged: {what}", path)


def status_of(path: Path) -> os.stat_result:
    """The status of an input. Raises ReadError."""
    try:
        return path.stat()
    except OSError as error:
        raise ReadError(f"cannot be opened any more: {error.strerror}", path) from error
