"""The videos of a cluster whose steps are all there, joined where esc was started.

In a thread of their own, one after the other, while the workers are handed what comes next.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

from esc_cli.errors import ReadError, StoppedError, WriteError
from esc_cli.files.source import status_of
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster.videos import Film
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import Records, RecordShelf
from esc_cli.tasks.upscale.stages import Failure, guarded
from esc_cli.tasks.upscale.video.claims import Turn
from esc_cli.tasks.upscale.video.decode_result import kept_reading
from esc_cli.tasks.upscale.video.joining import Joining
from esc_cli.tasks.upscale.video.journal import Journal
from esc_cli.tasks.upscale.video.plan import VideoJob
from esc_cli.tasks.upscale.video.shared_journals import open_whole
from esc_cli.tasks.upscale.video.unfinished import leftovers_beside, remove_parts


@dataclass(frozen=True)
class Missing:
    """So many steps of a video were not whole, and are to be done again."""

    steps: int


Told = ItemEvent | Failure | Missing


@dataclass
class Joins:
    """Joins videos with the records of `shelf`; `close` ends what is at work."""

    options: UpscaleOptions
    shelf: RecordShelf
    stop: Stop
    _told: queue.SimpleQueue[tuple[Film, Told | None]] = field(default_factory=queue.SimpleQueue)
    _closed: threading.Event = field(default_factory=threading.Event)
    _at_work: int = 0

    def __post_init__(self) -> None:
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="join")

    @property
    def is_busy(self) -> bool:
        """Whether there is more to hear."""
        return self._at_work > 0

    def begin(self, film: Film, turn: Turn) -> None:
        """Join a video once its turn comes; a seat at it has found all steps finished."""
        self._at_work += 1
        self._threads.submit(self._run, film, turn)

    def heard(self) -> Iterator[tuple[Film, Told]]:
        """What has been told since: at last an item, the failure of one, or that steps miss."""
        while True:
            try:
                film, told = self._told.get_nowait()
            except queue.Empty:
                return
            if told is None:
                self._at_work -= 1
            else:
                yield film, told

    def close(self) -> None:
        """End what is at work at once; what is finished stays for the next run."""
        self._closed.set()
        self._threads.shutdown(cancel_futures=True)

    def _run(self, film: Film, turn: Turn) -> None:
        job = cast("VideoJob", film.job)
        run = self._joined(job, film, turn)
        while True:
            told = guarded(job, partial(next, run, None))
            self._told.put((film, told))
            if told is None:
                return
            if isinstance(told, Failure):
                self._told.put((film, None))
                return

    def _joined(self, own: VideoJob, film: Film, turn: Turn) -> Iterator[Told]:
        job = replace(turn.job, source=own.source, root=own.root, output=own.output)
        with open_whole(job.output, turn.folder, self._check) as journal:
            joining = self._joining(job, journal)
            missing = journal.missing(len(joining.reading.pts))
            if missing:
                yield Missing(missing)
                return
            status = status_of(job.source.path)
            _check_source(job, journal, status.st_size, status.st_mtime_ns)
            yield from joining.encode_rest()
            size = joining.finish(status)
            others = leftovers_beside(journal)
            joining.notes += filter(None, [remove_parts(journal, others)])
        yield joining.item(film.made, size)

    def _joining(self, job: VideoJob, journal: Journal) -> Joining:
        reading = kept_reading(journal.folder)
        if reading is None:
            what = "what decoding has told is gone or cannot be read"
            raise WriteError(what, journal.folder, "run again")
        records: Records = self.shelf.at(job.root)
        return Joining(
            job,
            self.options,
            records,
            journal,
            reading,
            self._check,
            is_due=lambda: self.stop.is_due,
        )

    def _check(self) -> None:
        self.stop.check()
        if self._closed.is_set():
            raise StoppedError(signal.SIGTERM)


def _check_source(job: VideoJob, journal: Journal, size: int, mtime_ns: int) -> None:
    """Raise ReadError for a source that is no longer what the workers have read."""
    if [size, mtime_ns] != list(journal.fingerprint["input"][1:]):
        raise ReadError("changed while the batch ran", job.source.path, "run again")
