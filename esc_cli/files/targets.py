"""The places that a command is to write to: looked at before work, filled together."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from esc_cli.errors import DiskError, UsageError, WriteError
from esc_cli.files.atomic import atomic_file


def check_outputs(files: Mapping[str, Path | None]) -> None:
    """Raise UsageError or DiskError for files, by the suffix they must have, that would fail."""
    for suffix, path in files.items():
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise UsageError(f"must end in {suffix}", path)
        check_target(path)


def check_target(path: Path) -> None:
    """Raise DiskError, before work, when no file can be written under this name."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        mode = 0
    except OSError as error:
        raise DiskError(f"cannot be written: {error.strerror}", path) from error
    if stat.S_ISDIR(mode):
        raise DiskError("cannot be written: it is a folder", path, "choose another name")
    if not os.path.isdir(path.parent):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        raise DiskError("its folder is not there", path, "make it, or choose another place")
    # Only an attempt knows what permissions, quotas and network folders allow.
    with contextlib.suppress(_WritableError), disk_errors(), atomic_file(path):
        raise _WritableError


class _WritableError(Exception):
    """The attempt has got as far as it has to."""


def check_folder(folder: Path) -> None:
    """Raise DiskError, before work, unless a folder can be written to, or made. Makes none."""
    for place in (folder, *folder.parents):
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            if place.is_symlink():
                raise DiskError("is a link that leads nowhere", place) from None
            continue
        except OSError as error:
            raise DiskError(f"cannot be created: {error.strerror}", folder) from error
        if not stat.S_ISDIR(mode):
            raise DiskError("cannot be created: a file is in its place", folder)
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            raise DiskError("cannot be written: no permission", folder, "choose another place")
        return


@contextlib.contextmanager
def disk_errors(advice: str = "choose another place") -> Iterator[None]:
    """Failures to write as DiskError, where the file is the result and not one item of many."""
    try:
        yield
    except WriteError as error:
        raise DiskError(error.what, error.path, error.advice or advice) from error


def write_together(contents: Mapping[Path, bytes]) -> None:
    """Write files that belong together: all of them reach the disk before the first has its name.

    They get their names in reverse order. Raises DiskError, and then none is there.
    """
    with disk_errors(), contextlib.ExitStack() as files:
        for path, content in contents.items():
            stream = files.enter_context(atomic_file(path)).stream
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
