"""What of an archive is done already: finished pictures in a hidden folder beside the result."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from esc_cli.errors import WriteError, counted
from esc_cli.files.atomic import hidden_sibling, remove_stale_parts, write_atomic
from esc_cli.files.digest import has_content
from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.files.lock import Lock

JOURNAL_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Finished:
    """A finished picture: the number of its entry, its file, and what was told of it.

    tile, precision, device: as in an item. network: why it was photo or clean.
    """

    number: int
    size: int
    sha256: str
    notes: list[str]
    network: str = ""
    tile: int | None = None
    precision: str | None = None
    device: str | None = None

    def path(self, folder: Path) -> Path:
        """Its file."""
        return picture_path(folder, self.number)

    def stands(self, folder: Path) -> bool:
        """Whether the file is there and whole."""
        return has_content(self.path(folder), self.size, self.sha256)


def picture_path(folder: Path, number: int) -> Path:
    """The file of the result of an entry."""
    return folder / f"{number:06d}.picture"


@dataclass
class Journal:
    """The finished pictures of one result, by the numbers of their entries.

    The first line holds the fingerprint (input, settings, weights, versions), each further one a
    picture, which has its name by then. dropped: why pictures of an earlier run were of no use.
    """

    folder: Path
    lock: Lock
    finished: dict[int, Finished] = field(default_factory=dict)
    dropped: str = ""

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self.folder / JOURNAL_NAME

    def append(self, picture: Finished) -> None:
        """Note a finished picture. Raises DiskError."""
        append_line(self.path, asdict(picture), sync=True)
        self.finished[picture.number] = picture

    def close(self) -> None:
        """Let others work on this archive; nothing stays of a run that finished no picture."""
        self.lock.release()
        if not self.finished:
            self.remove()

    def remove(self) -> None:
        """Remove pictures and journal."""
        self.lock.release()
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(output: Path) -> Path:
    """Where the pictures of an output lie until it is complete."""
    return hidden_sibling(output, ".esc-pictures")


def open_journal(output: Path, fingerprint: dict[str, Any]) -> Journal:
    """The journal of an output, with what an earlier run with the same fingerprint finished.

    Pictures of another fingerprint are removed, as are damaged ones. Raises DiskError when the
    folder cannot be made, WriteError when another process has it.
    """
    folder = folder_of(output)
    lock = Lock(folder / "lock")
    if not lock.take():
        raise WriteError("another esc works on this archive", output, "wait for it")
    remove_stale_parts(folder)
    journal = Journal(folder, lock)
    head, lines = _lines(journal.path)
    if head == fingerprint:
        found = [one for one in map(_picture, lines) if one is not None and one.stands(folder)]
        journal.finished = {one.number: one for one in found}
    gone = len(lines) - len(journal.finished)
    if gone > 0:
        why = "they are damaged or missing" if head == fingerprint else "input or options changed"
        journal.dropped = f"{counted(gone, 'finished picture')} not used: {why}"
    _rewrite(journal, fingerprint)
    return journal


def _lines(path: Path) -> tuple[Any, list[dict[str, Any]]]:
    """The fingerprint and the lines of pictures; nothing where there is no journal."""
    try:
        lines = read_lines(path)
    except OSError:
        return None, []
    return (lines[0].get("fingerprint"), lines[1:]) if lines else (None, [])


def _picture(line: dict[str, Any]) -> Finished | None:
    try:
        one = Finished(**line)
        picture_path(Path(), one.number)
    except (TypeError, ValueError):
        return None
    return one


def _rewrite(journal: Journal, fingerprint: dict[str, Any]) -> None:
    """Bring file and folder to what the journal holds, whatever lay there before."""
    lines = [{"fingerprint": fingerprint}, *(asdict(one) for one in journal.finished.values())]
    write_atomic(journal.path, b"\n".join(json.dumps(line).encode() for line in lines) + b"\n")
    pictures = (one.path(journal.folder) for one in journal.finished.values())
    known = {journal.path, journal.lock.path, *pictures}
    for path in journal.folder.iterdir():
        if path not in known and not path.is_dir():
            path.unlink(missing_ok=True)
