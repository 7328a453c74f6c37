"""What was written, from what, and how: the fingerprints that let a finished output be skipped.

Files of JSON lines in each output folder, one for each writer, since several machines cannot append
to one file of a network share; appended to before an output takes its name. Readers take all of
them. A line that a crash cut short is passed over. Reading and comparing need no torch.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from esc_cli.errors import DiskError
from esc_cli.files.digest import has_content
from esc_cli.files.jsonl import append_line
from esc_cli.media.picture import Header, held_once
from esc_cli.tasks.upscale.record_index import RecordIndex

RECORDS_NAME = ".esc-records.jsonl"
_END_OF_TIME_NS = 1 << 63
_OF_A_WRITER = re.compile(r"\.esc-records\.[0-9a-z-]+\.jsonl")


@dataclass(frozen=True, slots=True)
class FileState:
    """A file as it was: size in bytes, modification time in ns, sha256 of its content.

    `version`: of one in a store, what changes with its content, such as its ETag.
    """

    size: int
    mtime_ns: int
    sha256: str
    version: str = ""

    def fits(self, path: Path, by_content: bool) -> bool:
        """Whether the file still is what it was, by size and time or by content."""
        if by_content:
            return has_content(path, self.size, self.sha256)
        try:
            status = path.stat()
        except OSError:
            return False
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class OutputRecord:
    """How one output came about. `output` is relative to the folder of the records.

    `at_ns`: when the record was written, since 1970; 0 in those of version 0.1.
    """

    input: str
    output: str
    source: FileState
    result: FileState
    header: Header
    settings: str
    weights_sha256: str | None
    at_ns: int = 0

    def as_entry(self) -> dict[str, Any]:
        """The entry of a file of JSON lines, as also versions read it that knew no stores."""
        entry = asdict(self)
        for state in (entry["source"], entry["result"]):
            if not state["version"]:
                del state["version"]
        return entry

    @classmethod
    def from_entry(cls, entry: dict[str, Any]) -> OutputRecord | None:
        """The record in an entry, or None when it is of another version."""
        kinds = {"source": FileState, "result": FileState, "header": Header}
        try:
            record = cls(**entry | {name: kind(**entry[name]) for name, kind in kinds.items()})
        except (TypeError, KeyError):
            return None
        texts = record.input, record.output
        sane = all(isinstance(text, str) for text in texts) and isinstance(record.at_ns, int)
        return record if sane and 0 <= record.at_ns < _END_OF_TIME_NS else None


@dataclass
class Records:
    """The records of one output folder; those of `writer` are added to."""

    root: Path
    writer: str = ""

    @property
    def path(self) -> Path:
        """The file that records are added to."""
        name = f".esc-records.{self.writer}.jsonl" if self.writer else RECORDS_NAME
        return self.root / name

    @property
    def files(self) -> list[Path]:
        """The files of all writers, which need not be there."""
        try:
            with os.scandir(self.root) as entries:
                names = [entry.name for entry in entries if _OF_A_WRITER.fullmatch(entry.name)]
        except OSError:  # a locked folder, whose files may be there to open
            names = []
        return [self.root / name for name in (RECORDS_NAME, *sorted(names))]

    @cached_property
    def by_output(self) -> RecordIndex:
        """The last record of each output, as they were when first asked for, and those of `append`.

        Of two writers' records that is the later one. Raises DiskError when there are records that
        cannot be read.
        """
        return RecordIndex(self.files, _parsed, self._passes)

    def _passes(self, path: Path, error: OSError) -> bool:
        """Whether a file that cannot be read counts as empty; else raises DiskError."""
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            return True
        if not os.access(self.root, os.X_OK):
            return True  # a locked folder: its pictures or the disk check will say so
        raise DiskError(f"cannot be read: {error.strerror}", path) from error

    def of_input(self, text: str) -> Iterator[OutputRecord]:
        """The records of all results of an input, by its absolute path, the last one first."""
        return self.by_output.of_input(text)

    def find(self, output: Path) -> OutputRecord | None:
        """The record of an output below the root."""
        # Most folders above an input have none, and names take their time.
        return self.by_output.get(self.relative(output)) if self.by_output else None

    def relative(self, output: Path) -> str:
        """The name of an output inside the records."""
        return os.path.relpath(output, self.root)

    def append(self, record: OutputRecord, *, sync: bool = False) -> None:
        """Add a record, in one write of its own line; with `sync` it has reached the disk.

        Raises DiskError when that fails.
        """
        record = replace(record, at_ns=time.time_ns())
        offset = append_line(self.path, record.as_entry(), sync=sync)
        if "by_output" in self.__dict__:
            self.by_output.add(record, self.path, offset)


def _parsed(entry: dict[str, Any]) -> OutputRecord | None:
    """The record in an entry, with what is the same in many held once."""
    record = OutputRecord.from_entry(entry)
    return None if record is None else replace(record, header=held_once(record.header))


class RecordShelf:
    """The records of every output folder of a batch, opened when first asked for.

    `writer` names whose they are where several machines share a folder.
    """

    def __init__(self, writer: str = "") -> None:
        self._writer = writer
        self._shelf: dict[Path, Records] = {}
        self._asked: dict[Path, Records] = {}
        self._above: dict[Path, tuple[Records, ...]] = {}

    def reread(self) -> None:
        """Read every folder's records anew when they are next asked for."""
        self._shelf.clear()
        self._asked.clear()

    def at(self, root: Path) -> Records:
        """The records of an output folder."""
        if root not in self._asked:
            key = Path(os.path.abspath(root))  # noqa: PTH100 - a link stays the link it is
            self._asked[root] = self._shelf.setdefault(key, Records(key, self._writer))
        return self._asked[root]

    def source_of(self, path: Path) -> str | None:
        """The absolute path of the input that a file was made from, None of what is no output.

        Some folder at or above it has the record.

        Records that cannot be read, above a folder that belongs to somebody else, count as none.
        """
        folder = path.parent
        if folder not in self._above:
            self._above[folder] = tuple(filter(_has_records, map(self.at, path.parents)))
        found = (records.find(path) for records in self._above[folder])
        return next((record.input for record in found if record is not None), None)


def _has_records(records: Records) -> bool:
    try:
        return bool(records.by_output)
    except DiskError:
        return False
