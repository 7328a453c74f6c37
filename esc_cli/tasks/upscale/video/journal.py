"""What of a video is done already: finished segments, and whether they may be used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from esc_cli.errors import WriteError, counted, shown
from esc_cli.files.atomic import hidden_sibling, remove_stale_parts, write_atomic
from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.files.lock import Lock
from esc_cli.media.video.segments import SegmentState
from esc_cli.tasks.upscale.settings_key import current_form

JOURNAL_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Settled:
    """What the first run of a video settled, so that a later one does exactly the same.

    batch: frames that go through the network at once. threads: of the encoder.
    segment_frames: frames in every segment but the last. device, precision, tile: of the network,
    as resolved; None where none is needed.
    """

    batch: int
    threads: int
    segment_frames: int
    device: str | None = None
    precision: str | None = None
    tile: int | None = None

    @property
    def place(self) -> str:
        """Where and how the network computes."""
        return f"{self.device} in {self.precision}"


@dataclass(frozen=True)
class Entry:
    """A finished segment, and how many of its frames repeated the one before."""

    segment: SegmentState
    repeated: int


@dataclass
class Journal:
    """The segments of one result, in a hidden folder beside it.

    The first line of the journal holds the fingerprint (input, settings, weights, versions) and
    `Settled`, each further one a segment. A line is written after its segment has its name, so
    that at any moment the journal names whole segments only. dropped: which segments of an earlier
    run were of no use, and why; empty if none were. unlocked: why another process could work on the
    same result; empty if none can.
    """

    folder: Path
    settled: Settled
    entries: list[Entry] = field(default_factory=list)
    dropped: str = ""
    unlocked: str = ""
    _lock: Lock | None = None

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self.folder / JOURNAL_NAME

    @property
    def frames(self) -> int:
        """Frames in finished segments."""
        return sum(entry.segment.frames for entry in self.entries)

    @property
    def repeated(self) -> int:
        """Frames that repeated the one before."""
        return sum(entry.repeated for entry in self.entries)

    @property
    def segments(self) -> list[Path]:
        """The files of the finished segments, in order."""
        return [entry.segment.path(self.folder) for entry in self.entries]

    def append(self, segment: SegmentState, repeated: int) -> None:
        """Note a finished segment. Raises DiskError."""
        entry = Entry(segment, repeated)
        append_line(self.path, asdict(entry), sync=True)
        self.entries.append(entry)

    def close(self) -> None:
        """Let others work on this video."""
        if self._lock is not None:
            self._lock.release()

    def remove(self) -> None:
        """Remove segments and journal."""
        self.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def folder_of(output: Path) -> Path:
    """Where the segments of an output lie until it is complete."""
    return hidden_sibling(output, ".esc-segments")


def open_journal(
    output: Path, fingerprint: dict[str, Any], fresh: Settled, fits: Callable[[Settled], str]
) -> Journal:
    """The journal of an output, with what an earlier run with the same fingerprint finished.

    Segments of another fingerprint are removed, as are damaged ones with all that follow, and those
    of a run whose settings `fits` gives a reason against (empty: they can be had again).
    Raises DiskError when the folder cannot be made, WriteError when another process has it.
    """
    folder = folder_of(output)
    lock = Lock(folder / "lock")
    if not lock.take():
        raise _busy(output, fingerprint)
    remove_stale_parts(folder)
    lines = _lines(folder / JOURNAL_NAME)
    reason = _reason_against(lines, fingerprint, fits)
    journal = Journal(folder, fresh) if reason else _continued(folder, lines)
    if reason and len(lines) > 1:
        journal.dropped = f"{len(lines) - 1} finished segments are not used: {reason}"
    journal._lock, journal.unlocked = lock, lock.missing
    _rewrite(journal, fingerprint)
    return journal


def _busy(output: Path, fingerprint: dict[str, Any]) -> WriteError:
    """The error for an output that another process makes, perhaps from another input."""
    own, other = _input_of(fingerprint), _input_of(_fingerprint(_lines_of(output)))
    if other in {"", own}:
        return WriteError("another esc works on this video", output, "wait for it")
    what = f"another esc makes {shown(output.name)} from {shown(other)} now"
    return WriteError(what, output, "give this one another -o or --name")


def _lines_of(output: Path) -> list[dict[str, Any]]:
    return _lines(folder_of(output) / JOURNAL_NAME)


def _fingerprint(lines: list[dict[str, Any]]) -> Any:
    return lines[0].get("fingerprint") if lines else None


def _input_of(fingerprint: Any) -> str:
    """The path of the input in a fingerprint; empty where it cannot be read."""
    try:
        return str(fingerprint["input"][0])
    except (KeyError, IndexError, TypeError):
        return ""


_CAUSES = {
    "input": "the input",
    "settings": "the settings",
    "size": "the size",
    "weights": "the weights",
    "segment_frames": "the length of segments",
    "fields": "the deinterlacing",
    "libraries": "the version of a library",
    "version": "the version of esc",
}


def _reason_against(
    lines: list[dict[str, Any]], fingerprint: dict[str, Any], fits: Callable[[Settled], str]
) -> str:
    """Why what an earlier run finished cannot be used; empty if it can."""
    earlier = _fingerprint(lines)
    if not isinstance(earlier, dict):
        return "their journal cannot be read"
    if _input_of(earlier) != _input_of(fingerprint):
        return f"they are of {shown(_input_of(earlier))}, whose output has the same name"
    if isinstance(earlier.get("settings"), str):
        earlier["settings"] = current_form(earlier["settings"])
    changed = [key for key in fingerprint if earlier.get(key) != fingerprint[key]]
    if changed:
        return f"{' and '.join(_CAUSES.get(key, key) for key in changed)} changed"
    try:
        return fits(Settled(**lines[0]["settled"]))
    except (KeyError, TypeError):
        return "their journal cannot be read"


def _continued(folder: Path, lines: list[dict[str, Any]]) -> Journal:
    """The journal up to the first line that cannot be read or whose segment is not whole."""
    journal = Journal(folder, Settled(**lines[0]["settled"]))
    for line in lines[1:]:
        try:
            entry = Entry(SegmentState(**line["segment"]), line["repeated"])
        except (KeyError, TypeError):
            break
        if entry.segment.number != len(journal.entries) or not entry.segment.stands(folder):
            break
        journal.entries.append(entry)
    journal.dropped = _redone(len(journal.entries), len(lines) - 1)
    return journal


def _redone(kept: int, finished: int) -> str:
    """What to say when not all segments that were finished are whole; empty if they are."""
    if kept == finished:
        return ""
    others = counted(finished - kept - 1, "finished segment")
    more = f" and {others} after it" if finished > kept + 1 else ""
    return f"finished segment {kept + 1} is damaged or missing: it{more} will be done again"


def _lines(path: Path) -> list[dict[str, Any]]:
    """The lines that are whole."""
    try:
        return read_lines(path)
    except OSError:
        return []


def _rewrite(journal: Journal, fingerprint: dict[str, Any]) -> None:
    """Bring file and folder to what the journal holds, whatever lay there before."""
    head = {"fingerprint": fingerprint, "settled": asdict(journal.settled)}
    lines = [head, *(asdict(entry) for entry in journal.entries)]
    write_atomic(journal.path, b"\n".join(json.dumps(line).encode() for line in lines) + b"\n")
    known = {journal.path, journal.folder / "lock", *journal.segments}
    for path in journal.folder.iterdir():
        if path not in known and not path.is_dir():
            path.unlink(missing_ok=True)
