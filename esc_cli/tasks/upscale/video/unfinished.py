"""What earlier runs left of a result: for each set of settings a journal, kept apart."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import Any

from esc_cli.errors import WriteError, counted, shown
from esc_cli.files.atomic import hidden_sibling, remove_stale_parts
from esc_cli.files.lock import Lock
from esc_cli.tasks.upscale.settings_key import current_form, in_words
from esc_cli.tasks.upscale.video.journal import (
    JOURNAL_NAME,
    Journal,
    Settled,
    continued,
    folder_failures,
    stored_journal,
)

LOCK = "lock"
"""Of the folder as a whole; those of shares have a suffix."""


def home_of(output: Path) -> Path:
    """Where the finished parts of an output lie until it is complete."""
    return hidden_sibling(output, ".esc-segments")


def bytes_of(output: Path) -> int:
    """What lies there of an output that is unfinished, as far as it can be looked at."""
    total = 0
    with suppress(OSError):
        for path in home_of(output).rglob("*"):
            total += path.stat().st_size
    return total


def is_shared_now(home: Path) -> bool:
    """Whether shares work on the output, as their locks tell."""
    for path in sorted(home.glob(f"{LOCK}.*")):
        lock = Lock(path)
        if not lock.take():
            return True
        lock.release()
    return False


def remove_if_empty(home: Path) -> None:
    """Remove the folder where nothing but locks is left, which nobody holds."""
    with suppress(OSError):  # another may have removed it, or something else lies in it
        only_locks = all(path.name.partition(".")[0] == LOCK for path in home.iterdir())
        if only_locks and not is_shared_now(home):
            shutil.rmtree(home)


@dataclass(frozen=True)
class Leftover:
    """Finished parts that this run cannot use. `reason`: why; `is_stale`: nothing else can either.

    folder: where they lie. journal: as stored, None where it cannot be read.
    """

    folder: Path
    journal: Journal | None
    reason: str
    is_stale: bool = False

    def __str__(self) -> str:
        """How much there is, with which settings it was made, and what becomes of it."""
        made = "this result stands" if self.is_stale else "their own result stands"
        end = f"{self.reason}; kept until {made}, or --discard-unfinished removes them"
        if self.journal is None:
            return f"finished segments are not used: {end}"
        count = counted(len(self.journal.entries), "finished segment")
        settings = in_words(str(self.journal.fingerprint.get("settings")))
        return f"{count} ({self.journal.bytes / 1e6:,.1f} MB, {settings}) are not used: {end}"


def remove_parts(journal: Journal, others: Iterable[Leftover]) -> str:
    """Remove what a result was made of, and what can no longer be used; what stays, in words."""
    journal.remove()
    for other in others:
        if other.is_stale:
            shutil.rmtree(other.folder, ignore_errors=True)
    return f"{shown(journal.folder)} could not be removed" if journal.folder.exists() else ""


@dataclass
class Unfinished:
    """All that is there of one output, held by this process: what it works on, and the rest.

    unlocked: why another process could work on the same output; empty if none can.
    """

    home: Path
    journal: Journal
    others: list[Leftover] = field(default_factory=list)
    unlocked: str = ""
    _lock: Lock | None = None

    @property
    def told(self) -> tuple[str, ...]:
        """What a user should know before the work."""
        return tuple(filter(None, (self.unlocked, self.journal.dropped, *map(str, self.others))))

    @property
    def most_begun(self) -> None:
        """Nobody else would do what is not begun."""

    @property
    def is_over(self) -> bool:
        """Nobody else has made the result."""
        return False

    def is_wanted(self, number: int) -> bool:
        """Whether a step, by its number from 0 on, is still to be done."""
        return number not in self.journal.numbers

    def missing(self, frames: int) -> int:
        """Of the steps of so many frames, how many are not finished."""
        return self.journal.missing(frames)

    def waits_for(self, frames: int) -> str:  # noqa: ARG002 - as that of several
        """Nobody is waited for: all steps are done."""
        return ""

    def close(self) -> None:
        """Let others work on this output; where nothing was finished, nothing stays."""
        if not self.journal.entries:
            self.journal.remove()
        self._leave()

    def finish(self) -> str:
        """Remove what the result was made of, and what can no longer be used; what stays, in words.

        That of other settings stays.
        """
        stay = remove_parts(self.journal, self.others)
        self._leave()
        return stay

    def _leave(self) -> None:
        if self._lock is not None:
            self._lock.release()
        remove_if_empty(self.home)


@dataclass(frozen=True)
class Wanted:
    """What a run wants to go on from: the fingerprint of what it depends on, and what it would
    settle by itself. `fits` gives a reason against what an earlier one settled, empty for none."""

    fingerprint: dict[str, Any]
    fresh: Settled
    fits: Callable[[Settled], str]


def open_unfinished(output: Path, wanted: Wanted, *, discard: bool = False) -> Unfinished:
    """What is there of an output, with the journal to go on with; `discard` removes the rest.

    Raises WriteError for a folder that cannot be used and when another process has it, DiskError
    for a full disk.
    """
    home = home_of(output)
    lock = Lock(home / LOCK)
    with folder_failures(home):
        if not lock.take():
            raise busy(output, wanted.fingerprint)
        try:
            if is_shared_now(home):
                raise busy(output, wanted.fingerprint)
            for folder in folders_of(home):
                remove_stale_parts(folder)
            journal, others = chosen_journal(home, wanted)
            if discard:
                for other in others:
                    shutil.rmtree(other.folder)
                others = []
            journal.rewrite()
        except BaseException:
            lock.release()
            raise
    return Unfinished(home, journal, others, lock.missing, lock)


def discard_unfinished(output: Path) -> None:
    """Remove all that is there of an output, unless another process works on it.

    Raises as `open_unfinished`.
    """
    home = home_of(output)
    if home.is_dir():
        lock = Lock(home / LOCK)
        with folder_failures(home):
            if lock.take():
                lock.release()
                if not is_shared_now(home):
                    shutil.rmtree(home)


def leftovers_of(output: Path, wanted: Wanted) -> list[Leftover]:
    """What is there of an output and cannot be used; nothing is held or changed."""
    with folder_failures(home_of(output)):
        return chosen_journal(home_of(output), wanted)[1]


def leftovers_beside(journal: Journal) -> list[Leftover]:
    """What lies beside a journal of the same output, and was made otherwise."""
    wanted, home = Wanted(journal.fingerprint, journal.settled, lambda _: ""), journal.folder.parent
    with folder_failures(home):
        beside = (folder for folder in folders_of(home) if folder != journal.folder)
        return [_seen(folder, wanted) for folder in beside]


def chosen_journal(home: Path, wanted: Wanted) -> tuple[Journal, list[Leftover]]:
    """The journal to go on with, the fullest that fits or a new one; the others."""
    usable, others = [], []
    for folder in folders_of(home):
        seen = _seen(folder, wanted)
        if seen.reason or seen.journal is None:
            others.append(seen)
        else:
            usable.append(continued(seen.journal))
    if usable:
        best = max(usable, key=lambda one: one.frames)
        return best, others
    taken = {other.folder for other in others}
    names = chain([_name(wanted)], (f"{_name(wanted)}-{number}" for number in count(2)))
    own = next(folder for name in names if (folder := home / name) not in taken)
    return Journal(own, wanted.fingerprint, wanted.fresh), others


def _seen(folder: Path, wanted: Wanted) -> Leftover:
    """What lies in a folder; its reason is "" if it can be gone on with."""
    stored = stored_journal(folder)
    return Leftover(folder, stored, _reason_against(stored, wanted), _is_stale(stored, wanted))


def folders_of(home: Path) -> list[Path]:
    """Folders that hold a journal, or parts without one."""
    if not home.is_dir():
        return []
    inside = [path for path in home.iterdir() if path.is_dir()]
    return sorted(path for path in inside if any(path.iterdir()))


def _name(wanted: Wanted) -> str:
    """The name of the folder for a set of settings."""
    values = {"fingerprint": wanted.fingerprint, "settled": asdict(wanted.fresh)}
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]


def _is_stale(stored: Journal | None, wanted: Wanted) -> bool:
    """Whether the same result was on its way, or the input is no longer what it was."""
    if stored is None:
        return False
    own, other = wanted.fingerprint, stored.fingerprint
    is_gone = _input_of(own) == _input_of(other) and own["input"] != other.get("input")
    return is_gone or not _changed(other, own)


_CAUSES = {
    "input": "the input",
    "settings": "the settings",
    "size": "the size",
    "weights": "the weights",
    "segment_frames": "the length of segments",
    "fields": "the deinterlacing",
    "decoder": "the decoder",
    "libraries": "the version of a library",
    "version": "the version of esc",
}


def _reason_against(stored: Journal | None, wanted: Wanted) -> str:
    """Why what an earlier run finished cannot be used; empty if it can."""
    if stored is None:
        return "their journal cannot be read"
    own, earlier = wanted.fingerprint, stored.fingerprint
    if _input_of(earlier) != _input_of(own):
        return f"they are of {shown(_input_of(earlier))}, whose output has the same name"
    changed = _changed(earlier, own)
    if changed:
        return f"{' and '.join(_CAUSES.get(key, key) for key in changed)} changed"
    return wanted.fits(stored.settled)


def _changed(earlier: dict[str, Any], own: dict[str, Any]) -> list[str]:
    if isinstance(earlier.get("settings"), str):
        earlier = earlier | {"settings": current_form(earlier["settings"])}
    return [key for key in _CAUSES if earlier.get(key) != own.get(key)]


def busy(output: Path, fingerprint: dict[str, Any]) -> WriteError:
    """The error for an output that another process makes, perhaps from another input."""
    own, other = _input_of(fingerprint), _input_at_work(home_of(output))
    if other in {"", own}:
        return WriteError("another esc works on this video", output, "wait for it")
    what = f"another esc makes {shown(output.name)} from {shown(other)} now"
    return WriteError(what, output, "give this one another -o or --name")


def _input_at_work(home: Path) -> str:
    """The input of the journal that was written last."""
    journals = sorted(home.glob(f"*/{JOURNAL_NAME}"), key=lambda path: path.stat().st_mtime_ns)
    stored = stored_journal(journals[-1].parent) if journals else None
    return "" if stored is None else _input_of(stored.fingerprint)


def _input_of(fingerprint: Any) -> str:
    """The path of the input in a fingerprint; empty where it cannot be read."""
    try:
        return str(fingerprint["input"][0])
    except (KeyError, IndexError, TypeError):
        return ""
