"""Writing a file so that its name never shows half a result."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import itertools
import os
import platform
import re
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import psutil

from esc_cli.errors import DiskError, WriteError
from esc_cli.files.retries import rename_patiently

PART_SUFFIX = ".esc-part"
_MAX_NAME_BYTES = 255  # on nearly every file system
# Of a name in a longer one; the rest is for the numbers.
_KEPT_NAME_BYTES = 120
_PART_NAME = re.compile(r"\.([0-9a-f]{8})-(\d+)-(\d+)" + re.escape(PART_SUFFIX) + r"\Z")
# In containers every process may have the same pid: parts of one that was killed come before these.
_FIRST_NUMBER = time.time_ns() // 1_000_000
_counter = itertools.count(_FIRST_NUMBER)
_GONE = tuple(
    getattr(errno, name)
    for name in ("ENOTCONN", "ESTALE", "EIO", "ENODEV", "EHOSTDOWN", "EHOSTUNREACH", "ETIMEDOUT")
    if hasattr(errno, name)
)
"""What a disk or share says that is no longer there, or broken: no item can be written then."""


def write_atomic(
    path: Path,
    content: bytes,
    before_rename: Callable[[os.stat_result], None] | None = None,
    mtime_ns: int | None = None,
) -> os.stat_result:
    """Write `content` under `path`, all or nothing, and return its status; see `atomic_file`."""
    with atomic_file(path, before_rename) as part:
        part.mtime_ns = mtime_ns
        part.stream.write(content)
    return part.written


@dataclass
class Part:
    """A result on its way: `stream` writes to the hidden sibling `path`.

    `mtime_ns`: the time of modification that the file is to have, None for that of its writing.
    """

    path: Path
    stream: BinaryIO
    mtime_ns: int | None = None
    status: os.stat_result | None = None

    @property
    def written(self) -> os.stat_result:
        """The status of the complete file."""
        if self.status is None:
            raise ValueError("the file is not complete yet")
        return self.status


@contextlib.contextmanager
def atomic_file(
    path: Path, before_rename: Callable[[os.stat_result], None] | None = None
) -> Iterator[Part]:
    """A file to write under `path`, all or nothing.

    The bytes go to a hidden sibling, reach the disk, and take the name in one step; a symbolic
    link of that name is replaced, not followed. `before_rename` sees the status of the complete
    sibling, whose size, time and inode stay the same. Whatever fails, the sibling is removed.

    Raises DiskError when space or quota runs out or the disk or share is gone, WriteError with the
    path for the rest; what `before_rename` raises passes through.
    """
    place = path.with_name(part_name(path.name))
    try:
        with _failures_for(path), _open_new(place) as stream:
            part = Part(place, stream)
            yield part
            stream.flush()
            os.fsync(stream.fileno())
            if part.mtime_ns is not None:
                os.utime(place, ns=(part.mtime_ns, part.mtime_ns))
            part.status = place.stat()
        if before_rename is not None:
            before_rename(part.written)
        with _failures_for(path):
            rename_patiently(place, path)
    except BaseException:
        with contextlib.suppress(OSError):
            place.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def part_name(name: str) -> str:
    """The name of a hidden sibling that no other process takes, and a later run removes."""
    return f".{_shortened(name)}.{_host()}-{os.getpid()}-{next(_counter)}{PART_SUFFIX}"


def hidden_sibling(path: Path, suffix: str) -> Path:
    """`.NAME` and `suffix` beside `path`, the same each time.

    Where that is too long for a name, NAME is its beginning and a digest of it.
    """
    name = path.name
    if len(os.fsencode(f".{name}{suffix}")) > _MAX_NAME_BYTES:
        digest = hashlib.sha256(os.fsencode(name)).hexdigest()
        name = f"{_shortened(name)}.{digest[:16]}"
    return path.with_name(f".{name}{suffix}")


def _shortened(name: str) -> str:
    while len(os.fsencode(name)) > _KEPT_NAME_BYTES:
        name = name[:-1]
    return name


def _host() -> str:
    """Eight digits for this machine: on a shared folder, other machines have the same pids."""
    return f"{zlib.crc32(platform.node().encode('utf-8', 'surrogateescape')):08x}"


def _open_new(part: Path) -> BinaryIO:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    return os.fdopen(os.open(part, flags, 0o666), "w+b")


@contextlib.contextmanager
def _failures_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if is_full(error):
            raise DiskError(f"cannot be written: {reason}", path, "free some space") from error
        if error.errno in _GONE:
            advice = "its disk or share is gone or broken; the next run goes on"
            raise DiskError(f"cannot be written: {reason}", path, advice) from error
        raise WriteError(f"cannot be written: {reason}", path) from error


@contextlib.contextmanager
def file_failures(path: Path, advice: str = "") -> Iterator[None]:
    """OSErrors of files as DiskError, with `advice` or what helps in general."""
    try:
        yield
    except OSError as error:
        general = "free some space" if is_full(error) else "choose a folder that can be written"
        what = f"cannot be written: {error.strerror or error}"
        raise DiskError(what, path, advice or general) from error


def is_full(error: BaseException) -> bool:
    """Whether an error of the system means that space or quota has run out."""
    number = getattr(error, "errno", None)
    return number in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk, where its file system can be asked to."""
    # Windows opens no folders and some network file systems sync none; the rename stands anyway.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_stale_parts(folder: Path) -> tuple[Path, ...]:
    """Remove what processes of this machine left in `folder` when they died; return what went.

    The siblings of running processes and of other machines stay, as do those that cannot be
    removed.
    """
    removed = []
    for part in folder.glob(f".*{PART_SUFFIX}"):
        match = _PART_NAME.search(part.name)
        if match is None or match[1] != _host() or _at_work(int(match[2]), int(match[3])):
            continue
        with contextlib.suppress(OSError):
            part.unlink()
            removed.append(part)
    return tuple(removed)


def _at_work(pid: int, number: int) -> bool:
    """Whether the process that made a part of this number may still write it."""
    if pid == os.getpid():
        return number >= _FIRST_NUMBER
    return psutil.pid_exists(pid)
