"""What of a video is done already: finished steps and segments, and the lines that name them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any

from esc_cli.errors import DiskError, WriteError, counted
from esc_cli.files.atomic import is_full, write_atomic
from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.media.video.segments import STEP, SegmentState

JOURNAL_NAME = "journal.jsonl"


@dataclass(frozen=True)
class Settled:
    """What the first run of a video settled, so that a later one does exactly the same.

    batch: frames that go through the network at once. threads: of the encoder.
    segment_frames: frames in every step but the last. device, precision, tile: of the network,
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
    """A finished step, and how many of its frames repeated the one before."""

    segment: SegmentState
    repeated: int


@dataclass
class Journal:
    """The finished parts of one result with one set of settings, in a folder of their own.

    The first line of the journal holds the fingerprint (input, settings, weights, versions) and
    `Settled`, each further one a part. A line is written after its part has its name, so that at
    any moment the journal names whole parts only.

    entries: the steps, each of as many frames. For most codecs they are the segments of the result;
    else they hold frames, from which `groups` were encoded, and go when all their frames were.
    dropped: which of them could not be used again, and why; empty if all could.
    """

    folder: Path
    fingerprint: dict[str, Any]
    settled: Settled
    entries: list[Entry] = field(default_factory=list)
    groups: list[SegmentState] = field(default_factory=list)
    dropped: str = ""

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self.folder / JOURNAL_NAME

    @property
    def frames(self) -> int:
        """Frames in finished steps."""
        return sum(entry.segment.frames for entry in self.entries)

    @property
    def encoded_frames(self) -> int:
        """Frames in groups that were encoded from steps."""
        return sum(group.frames for group in self.groups)

    @property
    def repeated(self) -> int:
        """Frames that repeated the one before."""
        return sum(entry.repeated for entry in self.entries)

    @property
    def segments(self) -> list[Path]:
        """The files of the result's segments, in order."""
        steps = (entry.segment for entry in self.entries if entry.segment.kind != STEP)
        return [one.path(self.folder) for one in (*steps, *self.groups)]

    @property
    def bytes(self) -> int:
        """What its files take on disk; 0 for those that cannot be looked at."""
        try:
            return sum(path.stat().st_size for path in self.folder.iterdir())
        except OSError:
            return 0

    def append(self, segment: SegmentState, repeated: int) -> None:
        """Note a finished step. Raises DiskError for a full disk, else WriteError."""
        entry = Entry(segment, repeated)
        with folder_failures(self.folder):
            append_line(self.path, asdict(entry), sync=True)
        self.entries.append(entry)

    def append_group(self, group: SegmentState) -> None:
        """Note a finished group, and remove the steps that no later one needs; as `append`."""
        with folder_failures(self.folder):
            append_line(self.path, {"group": asdict(group)}, sync=True)
            self.groups.append(group)
            for state, end in self._steps():
                if end <= self.encoded_frames:
                    state.path(self.folder).unlink(missing_ok=True)

    def steps_from(self, frame: int) -> Iterator[tuple[Path, int]]:
        """Steps with frames from a number on, each with how many of its first to pass over."""
        for state, end in self._steps():
            if end > frame:
                yield state.path(self.folder), max(0, frame - (end - state.frames))

    def _steps(self) -> Iterator[tuple[SegmentState, int]]:
        """Each step of frames, and the number of frames up to its end."""
        end = 0
        for entry in self.entries:
            end += entry.segment.frames
            if entry.segment.kind == STEP:
                yield entry.segment, end

    def rewrite(self) -> None:
        """Bring file and folder to what the journal holds, whatever lay there before.

        Raises as `append`.
        """
        head = {"fingerprint": self.fingerprint, "settled": asdict(self.settled)}
        entries = [asdict(entry) for entry in self.entries]
        lines = [head, *entries, *({"group": asdict(group)} for group in self.groups)]
        content = b"\n".join(json.dumps(line).encode() for line in lines) + b"\n"
        with folder_failures(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self.path, content)
            steps = [path for path, _ in self.steps_from(self.encoded_frames)]
            known = {self.path, *self.segments, *steps}
            for path in self.folder.iterdir():
                if path not in known and not path.is_dir():
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove parts and journal, as far as they can be."""
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def folder_failures(folder: Path) -> Iterator[None]:
    """What goes wrong with the folder of one video is a WriteError; a full disk concerns all."""
    try:
        yield
    except DiskError as error:
        if error.__cause__ is None or is_full(error.__cause__):
            raise
        raise WriteError(error.what, error.path, _ADVICE) from error
    except OSError as error:
        if is_full(error):
            raise DiskError(
                "cannot be written: no space left", folder, "free some space"
            ) from error
        what = f"cannot be written: {error.strerror or error}"
        raise WriteError(what, error.filename or folder, _ADVICE) from error


_ADVICE = "the finished parts of this video lie there; make it writable, or choose another -o"


def stored_journal(folder: Path) -> Journal | None:
    """The journal of a folder as its lines say, whole or not; None where it cannot be read."""
    try:
        lines = read_lines(folder / JOURNAL_NAME)
        journal = Journal(folder, dict(lines[0]["fingerprint"]), Settled(**lines[0]["settled"]))
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return None
    for line in lines[1:]:
        try:
            if "group" in line:
                journal.groups.append(SegmentState(**line["group"]))
            else:
                entry = Entry(SegmentState(**line["segment"]), int(line["repeated"]))
                journal.entries.append(entry)
        except (KeyError, TypeError, ValueError):
            break
    return journal


def continued(stored: Journal) -> Journal:
    """The journal up to the first part that is not whole; `dropped` says what that costs."""
    folder = stored.folder
    journal = Journal(folder, stored.fingerprint, stored.settled, stored.entries, stored.groups)
    journal.groups = list(takewhile(lambda group: group.stands(folder), _in_place(stored.groups)))
    journal.entries = list(_standing(journal))
    while journal.encoded_frames > journal.frames:  # of steps that are not known
        journal.groups = journal.groups[:-1]
        journal.entries = list(_standing(journal))
    journal.dropped = _redone(len(journal.entries), len(stored.entries))
    return journal


def _in_place(states: Iterable[SegmentState]) -> Iterator[SegmentState]:
    """The first of them, up to one that is not in its place."""
    numbered = takewhile(lambda pair: pair[0] == pair[1].number, enumerate(states))
    return (state for _, state in numbered)


def _standing(journal: Journal) -> Iterator[Entry]:
    """The first steps, up to one that is needed and not whole."""
    end, encoded = 0, journal.encoded_frames
    places = _in_place(entry.segment for entry in journal.entries)
    for entry, state in zip(journal.entries, places, strict=False):
        end += state.frames
        is_encoded = state.kind == STEP and end <= encoded
        if not is_encoded and not state.stands(journal.folder):
            return
        yield entry


def _redone(kept: int, finished: int) -> str:
    """What to say when not all steps that were finished are whole; empty if they are."""
    if kept == finished:
        return ""
    others = counted(finished - kept - 1, "finished segment")
    more = f" and {others} after it" if finished > kept + 1 else ""
    return f"finished segment {kept + 1} is damaged or missing: it{more} will be done again"
