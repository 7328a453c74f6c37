"""What was written, from what, and how: the fingerprints that let a finished output be skipped.

One file of JSON lines per output folder, appended to before an output takes its name. A line that
a crash cut short is passed over. Reading and comparing need no torch.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from esc_cli.errors import DiskError
from esc_cli.files.digest import sha256_of
from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.media.picture import Header

RECORDS_NAME = ".esc-records.jsonl"


@dataclass(frozen=True)
class FileState:
    """A file as it was: size in bytes, modification time in ns, sha256 of its content."""

    size: int
    mtime_ns: int
    sha256: str

    def fits(self, path: Path, by_content: bool) -> bool:
        """Whether the file still is what it was, by size and time or by content."""
        try:
            status = path.stat()
            if status.st_size != self.size:
                return False
            if by_content:
                return sha256_of(path) == self.sha256
        except OSError:
            return False
        return status.st_mtime_ns == self.mtime_ns


@dataclass(frozen=True)
class OutputRecord:
    """How one output came about. `output` is relative to the folder of the records."""

    input: str
    output: str
    source: FileState
    result: FileState
    header: Header
    settings: str
    weights_sha256: str | None

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> OutputRecord | None:
        """The record in an entry, or None when it is of another version."""
        kinds = {"source": FileState, "result": FileState, "header": Header}
        try:
            return cls(**entry | {name: kind(**entry[name]) for name, kind in kinds.items()})
        except (TypeError, KeyError):
            return None


@dataclass
class Records:
    """The records of one output folder."""

    root: Path

    @property
    def path(self) -> Path:
        """The file of the records."""
        return self.root / RECORDS_NAME

    @cached_property
    def by_output(self) -> dict[str, OutputRecord]:
        """The last record of each output, as they were when first asked for.

        Raises DiskError when there are records that cannot be read.
        """
        try:
            entries = read_lines(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            if not os.access(self.root, os.X_OK):
                return {}  # a locked folder: its pictures or the disk check will say so
            raise DiskError(f"cannot be read: {error.strerror}", self.path) from error
        records = map(OutputRecord.from_entry, entries)
        return {record.output: record for record in records if record is not None}

    @cached_property
    def by_input(self) -> dict[str, OutputRecord]:
        """The last record of each input, by its absolute path."""
        return {record.input: record for record in self.by_output.values()}

    def find(self, output: Path) -> OutputRecord | None:
        """The record of an output below the root."""
        return self.by_output.get(self.relative(output))

    def relative(self, output: Path) -> str:
        """The name of an output inside the records."""
        return os.path.relpath(output, self.root)

    def append(self, record: OutputRecord) -> None:
        """Add a record, in one write of its own line. Raises DiskError when that fails."""
        append_line(self.path, asdict(record))


class RecordShelf:
    """The records of every output folder of a batch, opened when first asked for."""

    def __init__(self) -> None:
        self._shelf: dict[Path, Records] = {}

    def at(self, root: Path) -> Records:
        """The records of an output folder."""
        key = Path(os.path.abspath(root))  # noqa: PTH100 - a link stays the link it is
        return self._shelf.setdefault(key, Records(key))

    def is_output(self, path: Path) -> bool:
        """Whether a file is an output that some folder at or above it has a record of.

        Records that cannot be read, above a folder that belongs to somebody else, count as none.
        """
        return any(self._knows(folder, path) for folder in path.parents)

    def _knows(self, folder: Path, path: Path) -> bool:
        try:
            return self.at(folder).find(path) is not None
        except DiskError:
            return False
