"""A video whose segments are shared by several processes, perhaps of several machines.

All have a journal of their own in the folder of the finished parts, because appending from several
hosts to one file of a network share is not safe. Who first comes settles for all; the share that
finds all segments finished and holds the lock of joining makes the result of them. Those of seats
are joined by who started the workers (`open_whole`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.errors import WriteError
from esc_cli.files.atomic import remove_stale_parts
from esc_cli.files.lock import Lock
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.claims import Claims, stamp_of
from esc_cli.tasks.upscale.video.journal import (
    JOURNAL_NAME,
    Journal,
    continued,
    folder_failures,
    stored_journal,
)
from esc_cli.tasks.upscale.video.unfinished import (
    LOCK,
    Leftover,
    Wanted,
    busy,
    chosen_journal,
    folders_of,
    home_of,
    remove_if_empty,
    remove_parts,
)

PATIENCE_S = 10.0
"""How long another may take to open the folder."""
_PAUSE_S = 0.05
_AT_ONCE = 2
"""Steps that a seat takes: one that is encoded, and one that is decoded meanwhile."""


@dataclass
class Shared:
    """What is there of an output, as one share of it sees it; see `Unfinished`, also for errors.

    is_own: whether a step, by its number, is of this share. is_over: all was joined before.
    most_begun: steps that may be begun here and unfinished; None for any number.
    """

    home: Path
    journal: Journal
    is_own: Callable[[int], bool]
    others: list[Leftover]
    _own: Lock
    _join: Lock
    told: tuple[str, ...] = field(default=())
    is_over: bool = False
    most_begun: int | None = None

    def is_wanted(self, number: int) -> bool:
        """Whether a step is to be done here."""
        return number not in self.journal.numbers and self.is_own(number)

    def waits_for(self, frames: int) -> str:
        """Why the result of so many frames is left to others; "" if it is to be joined here."""
        with folder_failures(self.home):
            joining, folder = self._join.take(), self.journal.folder
            if not folder.exists():
                return f"{_DONE}, and another share has joined all"
            stored = stored_journal(folder)
            if stored is None:
                raise WriteError("the journal cannot be read", folder, "remove that folder")
            if not joining:
                return f"{_DONE}, and another share joins all"
            whole = continued(stored)
        self.journal.entries, self.journal.groups = whole.entries, whole.groups
        missing = whole.missing(frames)
        if not missing:
            self.journal.writer = ""
            return ""
        self._join.release()
        steps = self.journal.steps(frames)
        return f"{_DONE}; {missing} of all {steps} are left to other shares, or to the next run"

    def missing(self, frames: int) -> int:
        """Of the steps of so many frames, how many no journal names now; they are not read."""
        stored = stored_journal(self.journal.folder)
        return (self.journal if stored is None else stored).missing(frames)

    def close(self) -> None:
        """Let others join, and have the locks; finished parts stay."""
        if self.is_over:  # begun for nothing, or what is left of what was joined
            self.journal.remove()
        self._join.release()
        self._own.release()
        remove_if_empty(self.home)

    def finish(self) -> str:
        """As `Unfinished.finish`."""
        return remove_parts(self.journal, self.others)


_JOIN = f"{LOCK}.join"
_DONE = "the segments of this share are done"


def open_shared(
    output: Path, wanted: Wanted, share: Shard, is_own: Callable[[int], bool]
) -> Shared:
    """What is there of an output, for one share of it; the steps of a seat are those it takes.

    Raises as `open_unfinished`; and WriteError where the same share is at work, or where other
    shares have settled what this one cannot do.
    """
    home = home_of(output)
    own, join = Lock(home / f"{LOCK}.{share.name}"), Lock(home / _JOIN)
    with folder_failures(home):
        if not own.take():
            what = f"another esc works on share {share.text} of this video"
            raise WriteError(what, output, "wait for it")
        try:
            with _alone(home, lambda: busy(output, wanted.fingerprint)):
                journal, others = _adopted(home, wanted)
        except BaseException:
            own.release()
            raise
    journal.writer = share.name
    told = tuple(filter(None, (own.missing, journal.dropped, *map(str, others))))
    shared = Shared(home, journal, is_own, others, own, join, told)
    if isinstance(share, Seat):
        shared.is_own, shared.most_begun = Claims.of(journal.folder, share).take, _AT_ONCE
        # Looked at once the folder is there: it goes after the result has its name.
        shared.is_over = stamp_of(output) != share.before
    return shared


@contextmanager
def open_whole(output: Path, folder: Path, check: Callable[[], None]) -> Iterator[Journal]:
    """The journal in a folder with all that is whole, to be joined; within, nobody else does.

    Nothing is compared with this machine: what its steps depend on is of who made them. `check` is
    called while they are read, and may raise. Raises WriteError where another process joins them,
    and where the journal is gone.
    """
    home, stored = home_of(output), stored_journal(folder)
    if stored is None:
        raise WriteError("the finished segments are gone or cannot be read", folder, "run again")
    lock = Lock(home / _JOIN)
    with folder_failures(home):
        if not lock.take():
            raise busy(output, stored.fingerprint)
    try:
        yield continued(stored, check)
    finally:
        lock.release()
        remove_if_empty(home)


@contextmanager
def _alone(home: Path, error: Callable[[], WriteError]) -> Iterator[None]:
    """Within, no other process opens or has the folder as a whole."""
    lock, end = Lock(home / LOCK), time.monotonic() + PATIENCE_S
    while not lock.take():
        if time.monotonic() > end:
            raise error()
        time.sleep(_PAUSE_S)
    try:
        yield
    finally:
        lock.release()


def _adopted(home: Path, wanted: Wanted) -> tuple[Journal, list[Leftover]]:
    """The journal of all shares, begun if this is the first of them; what others are at stays."""
    for folder in folders_of(home):
        remove_stale_parts(folder)
    journal, others = chosen_journal(home, wanted)
    for other in others:
        if other.journal is not None and other.journal.fingerprint == wanted.fingerprint:
            advice = "give all shares the same --device and --precision, or remove that folder"
            raise WriteError(f"segments of other shares: {other.reason}", other.folder, advice)
    if not (journal.folder / JOURNAL_NAME).exists():
        journal.rewrite()
    return journal, others
