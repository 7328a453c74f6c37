"""Writing a file so that its name never shows half a result."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import platform
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from esc_cli.errors import DiskError, WriteError

PART_SUFFIX = ".esc-part"
# Names end at 255 bytes on nearly every file system; the rest of this one is for the numbers.
_KEPT_NAME_BYTES = 120
_PART_NAME = re.compile(r"\.([0-9a-f]{8})-(\d+)-(\d+)" + re.escape(PART_SUFFIX) + r"\Z")
_counter = itertools.count()


def write_atomic(
    path: Path, content: bytes, before_rename: Callable[[os.stat_result], None] | None = None
) -> os.stat_result:
    """Write `content` under `path`, all or nothing, and return its status.

    The bytes go to a hidden sibling, reach the disk, and take the name in one step; a symbolic
    link of that name is replaced, not followed. `before_rename` sees the status of the complete
    sibling, whose size, time and inode stay the same. Whatever fails, the sibling is removed.

    Raises DiskError when space or quota runs out, WriteError with the path for the rest; what
    `before_rename` raises passes through.
    """
    part = path.with_name(_part_name(path.name))
    try:
        with _failures_for(path):
            status = _write_through(part, content)
        if before_rename is not None:
            before_rename(status)
        with _failures_for(path):
            part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)
    return status


def _part_name(name: str) -> str:
    short = name
    while len(os.fsencode(short)) > _KEPT_NAME_BYTES:
        short = short[:-1]
    return f".{short}.{_host()}-{os.getpid()}-{next(_counter)}{PART_SUFFIX}"


def _host() -> str:
    """Eight digits for this machine: on a shared folder, other machines have the same pids."""
    return f"{zlib.crc32(platform.node().encode('utf-8', 'surrogateescape')):08x}"


def _write_through(part: Path, content: bytes) -> os.stat_result:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    flags |= getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(part, flags, 0o666), "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
        return os.fstat(stream.fileno())


@contextlib.contextmanager
def _failures_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
            raise DiskError(f"cannot be written: {reason}", path, "free some space") from error
        raise WriteError(f"cannot be written: {reason}", path) from error


def _sync_folder(folder: Path) -> None:
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
        if match is None or match[1] != _host() or psutil.pid_exists(int(match[2])):
            continue
        with contextlib.suppress(OSError):
            part.unlink()
            removed.append(part)
    return tuple(removed)
