"""Files of JSON lines: whole lines are appended, and what a crash cut short is passed over."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from esc_cli.errors import DiskError
from esc_cli.files.atomic import file_failures


def append_line(
    path: Path, entry: Mapping[str, Any], *, sync: bool = False, advice: str = ""
) -> int:
    """Add an entry to a file, which is made: ASCII, one line, one write. The byte it begins at.

    Threads and processes may append at once; on one machine their lines stay whole. A line that a
    crash cut short before is ended first. With `sync` the line has reached the disk on return.
    Raises DiskError, with `advice` if any is given, also when only a part of the line was taken.
    """
    with LineFile(path, advice) as lines:
        size = lines.append(entry)
        if sync:
            lines.sync()
        return lines.end - size


class LineFile:
    """A file of JSON lines that is open for appending; see `append_line`, also for the errors.

    Something else than a regular file, such as a named pipe, may have the name.
    """

    def __init__(self, path: Path, advice: str = "") -> None:
        self.path, self.advice = path, advice
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
        with file_failures(path, advice):
            self._handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o666)

    def append(self, entry: Mapping[str, Any], default: Callable[[Any], Any] | None = None) -> int:
        """Add an entry; `default` turns values that JSON does not have into some that it has.

        The bytes of its line.
        """
        own = json.dumps(entry, separators=(",", ":"), default=default).encode("ascii") + b"\n"
        with file_failures(self.path, self.advice):
            line = b"\n" + own if _is_cut_short(self.path) else own
            taken = os.write(self._handle, line)
        if taken != len(line):
            what = "cannot be written: no space left"
            raise DiskError(what, self.path, self.advice or "free some space")
        return len(own)

    @property
    def end(self) -> int:
        """The byte after the last line that was appended here, of a regular file."""
        with file_failures(self.path, self.advice):
            return os.lseek(self._handle, 0, os.SEEK_CUR)

    def sync(self) -> None:
        """Wait until all lines have reached the disk."""
        with file_failures(self.path, self.advice):
            os.fsync(self._handle)

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def __enter__(self) -> LineFile:
        """The file, closed at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the file."""
        self.close()


def _is_cut_short(path: Path) -> bool:
    """Whether the last line of a regular file has no end. An empty line more does no harm."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) != b"\n"
    except OSError:  # may be written and not read
        return True


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file, in order, without lines that are none; OSErrors pass through."""
    return list(each_line(path))


def each_line(path: Path) -> Iterator[dict[str, Any]]:
    """As `read_lines`, one by one: of millions of lines not all are held."""
    return (entry for _, entry in each_line_at(path))


def each_line_at(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """As `each_line`, each with the byte at which its line begins."""
    with path.open("rb") as stream:
        offset = 0
        for line in stream:
            for entry in objects([line]):
                yield offset, entry
            offset += len(line)


def objects(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """The objects among lines, without those that are none."""
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            yield entry
