"""What of a video is done already: finished steps and segments, and the lines that name them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import chain, takewhile
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

    entries: the steps by their number, each but the last of as many frames; some may be missing
    between them, as where others do those. For most codecs they are the segments of the result;
    else they hold frames, from which `groups` were encoded, and go when all their frames were.
    dropped: which of them could not be used again, and why; empty if all could.
    writer: whose lines are added, where several processes have a journal in the folder; those of
    `""` are in the first, which alone names groups.
    """

    folder: Path
    fingerprint: dict[str, Any]
    settled: Settled
    entries: list[Entry] = field(default_factory=list)
    groups: list[SegmentState] = field(default_factory=list)
    dropped: str = ""
    writer: str = ""

    @property
    def path(self) -> Path:
        """The file of the journal."""
        return self.folder / (f"journal.{self.writer}.jsonl" if self.writer else JOURNAL_NAME)

    @property
    def frames(self) -> int:
        """Frames in finished steps."""
        return sum(entry.segment.frames for entry in self.entries)

    @property
    def numbers(self) -> set[int]:
        """Of finished steps."""
        return {entry.segment.number for entry in self.entries}

    @property
    def leading_frames(self) -> int:
        """Frames in finished steps before the first that is missing."""
        return sum(entry.segment.frames for entry in self._leading())

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

    def missing(self, frames: int) -> int:
        """How many of the steps of so many frames are not finished."""
        steps = self.steps(frames)
        return steps - len(self.numbers & set(range(steps)))

    def steps(self, frames: int) -> int:
        """How many steps so many frames are."""
        return -(-frames // self.settled.segment_frames)

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
        kept = [one for one in self.entries if one.segment.number != segment.number]
        self.entries = sorted([*kept, entry], key=lambda one: one.segment.number)

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
        """Each step of frames before the first that is missing, and the frames up to its end."""
        end = 0
        for entry in self._leading():
            end += entry.segment.frames
            if entry.segment.kind == STEP:
                yield entry.segment, end

    def _leading(self) -> Iterator[Entry]:
        numbered = takewhile(
            lambda pair: pair[0] == pair[1].segment.number, enumerate(self.entries)
        )
        return (entry for _, entry in numbered)

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
            steps = {entry.segment.path(self.folder) for entry in self.entries}
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
    """The journal of a folder as the lines of all its writers say, whole or not.

    None where it cannot be read.
    """
    try:
        lines = read_lines(folder / JOURNAL_NAME)
        journal = Journal(folder, dict(lines[0]["fingerprint"]), Settled(**lines[0]["settled"]))
        others = [read_lines(path) for path in sorted(folder.glob("journal.*.jsonl"))]
    except (OSError, IndexError, KeyError, TypeError, ValueError):
        return None
    entries: dict[int, Entry] = {}
    for line in chain(lines[1:], *others):
        try:
            if "group" in line:
                journal.groups.append(SegmentState(**line["group"]))
            else:
                entry = Entry(SegmentState(**line["segment"]), int(line["repeated"]))
                entries[entry.segment.number] = entry
        except (KeyError, TypeError, ValueError):
            continue
    journal.entries = [entries[number] for number in sorted(entries)]
    return journal


def continued(stored: Journal, check: Callable[[], None] = lambda: None) -> Journal:
    """The journal with the parts that are whole; `dropped` says what the others cost.

    `check` is called before each step is read, and may raise.
    """
    folder = stored.folder
    journal = replace(stored, entries=stored.entries, groups=stored.groups, dropped="")
    journal.groups = list(takewhile(lambda group: group.stands(folder), _in_place(stored.groups)))
    while journal.encoded_frames > journal.leading_frames:  # of steps that are not known
        journal.groups = journal.groups[:-1]
    journal.entries = list(_standing(journal, check))
    damaged = sorted(stored.numbers - journal.numbers)
    journal.dropped = _redone(damaged)
    return journal


def _in_place(states: Iterable[SegmentState]) -> Iterator[SegmentState]:
    """The first of them, up to one that is not in its place."""
    numbered = takewhile(lambda pair: pair[0] == pair[1].number, enumerate(states))
    return (state for _, state in numbered)


def _standing(journal: Journal, check: Callable[[], None]) -> Iterator[Entry]:
    """The steps that are whole, or no longer needed."""
    encoded = journal.encoded_frames
    for entry in journal.entries:
        check()
        state = entry.segment
        end = state.number * journal.settled.segment_frames + state.frames
        is_encoded = state.kind == STEP and end <= encoded
        if is_encoded or state.stands(journal.folder):
            yield entry


def _redone(damaged: list[int]) -> str:
    """What to say of finished steps that are not whole, by their numbers; empty without any."""
    if not damaged:
        return ""
    others = counted(len(damaged) - 1, "other")
    more = f" and {others}" if len(damaged) > 1 else ""
    verb = "are" if len(damaged) > 1 else "is"
    end = "they will be done again" if len(damaged) > 1 else "it will be done again"
    return f"finished segment {damaged[0] + 1}{more} {verb} damaged or missing: {end}"
