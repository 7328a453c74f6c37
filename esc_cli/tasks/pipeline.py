"""Decode, network and encode at the same time, with bounded memory and one report per item."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from esc_cli.engine.threads import available_cores
from esc_cli.errors import DeadlineError, EscError, SetupError, StoppedError
from esc_cli.tasks.events import Item, ItemEvent
from esc_cli.tasks.job import Job, item_of
from esc_cli.tasks.models import Models
from esc_cli.tasks.options import UpscaleOptions
from esc_cli.tasks.records import RecordShelf
from esc_cli.tasks.stages import Work, decode_stage, encode_stage, network_stage
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.video.job import VideoJob
from esc_cli.tasks.workers import Workers

DECODED_AHEAD = 2
PENDING_BYTES = 1 << 30
"""Results that may wait for their encoder, in bytes of pixels; a single larger one may too."""

T = TypeVar("T")


def encoder_count() -> int:
    """Threads that compress: a GPU makes results faster than two cores can encode them."""
    return max(2, min(8, available_cores() - 1))


@dataclass
class _Failure:
    """An item's error on its way to the report."""

    job: Job
    error: EscError


_Decoded = Work | VideoJob | _Failure | None


@dataclass
class _Pictures:
    """Decoded pictures up to the next video, which is kept in `video`, or to the end."""

    decoded: queue.Queue[_Decoded]
    goes_on: Callable[[], bool]
    video: VideoJob | None = None

    def __iter__(self) -> Iterator[Work | _Failure]:
        while self.goes_on() and (work := self.decoded.get()) is not None:
            if isinstance(work, VideoJob):
                self.video = work
                return
            yield work


@dataclass
class Pipeline:
    """Runs jobs.

    `fatal` is set when the environment failed and the rest was not tried, `late` when the time
    that the user set was up first.
    """

    options: UpscaleOptions
    models: Models
    shelf: RecordShelf
    stop: Stop
    fatal: EscError | None = None
    late: EscError | None = None
    encoders: int = field(default_factory=encoder_count)
    _closed: threading.Event = field(default_factory=threading.Event)
    _pending: deque[tuple[Job, Future[Item]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Nothing is loaded yet."""
        self.workers = Workers(self.models, self.options.devices)

    def run(self, jobs: Sequence[Job]) -> Iterator[ItemEvent]:
        """The items of the jobs as they finish, until all are done, a stop, or a fatal error.

        A video, which takes its time, tells of its progress in between.
        """
        decoded: queue.Queue[_Decoded] = queue.Queue(max(DECODED_AHEAD, len(self.options.devices)))
        reader = threading.Thread(target=self._read, args=(jobs, decoded), daemon=True)
        reader.start()
        with ThreadPoolExecutor(self.encoders, thread_name_prefix="encode") as encoders:
            try:
                yield from self._consume(decoded, encoders)
            finally:
                self._closed.set()
                reader.join()

    def _read(self, jobs: Sequence[Job], decoded: queue.Queue[_Decoded]) -> None:
        for job in jobs:
            if self._closed.is_set() or self.stop or self.stop.is_due:
                break
            if isinstance(job, VideoJob):
                self._offer(decoded, job)
                continue
            self._offer(decoded, _guarded(job, partial(decode_stage, job, self.options.max_pixels)))
        self._offer(decoded, None)

    def _offer(self, decoded: queue.Queue[_Decoded], value: _Decoded) -> None:
        while not self._closed.is_set():
            try:
                decoded.put(value, timeout=0.1)
            except queue.Full:
                continue
            return

    def _consume(
        self, decoded: queue.Queue[_Decoded], encoders: ThreadPoolExecutor
    ) -> Iterator[ItemEvent]:
        """Pictures are shared by the devices; a video waits for them and has the first device."""
        while True:
            pictures = _Pictures(decoded, self._goes_on)
            for outcome in self.workers.spread(pictures, self._through_network, _result_bytes):
                if isinstance(outcome, Work):
                    yield from self._make_room(outcome.job)
                    self._submit(outcome, encoders)
                elif not isinstance(outcome.error, StoppedError):
                    yield self._failed(outcome)
                yield from self._finished(self._first_is_done)
            yield from self._finished(lambda: True)
            if pictures.video is None:
                return
            yield from self._video(pictures.video)

    def _through_network(self, work: Work | _Failure, models: Models) -> Work | _Failure:
        if isinstance(work, _Failure):
            return work
        return _guarded(work.job, partial(network_stage, work, models, self.stop))

    def _goes_on(self) -> bool:
        if self.stop.is_due and self.late is None:
            self.late = DeadlineError("the time is up")
        return not (self.fatal or self.late or self.stop)

    def _video(self, job: VideoJob) -> Iterator[ItemEvent]:
        from esc_cli.tasks.video.run import VideoRun

        run = VideoRun(job, self.options, self.models, self.shelf.at(job.root), self.stop).run()
        while True:
            event = _guarded(job, lambda: next(run, None))
            if event is None:
                return
            if isinstance(event, _Failure):
                if isinstance(event.error, DeadlineError):
                    self.late = event.error
                elif not isinstance(event.error, StoppedError):
                    yield self._failed(event)
                return
            yield event

    def _submit(self, work: Work, encoders: ThreadPoolExecutor) -> None:
        records = self.shelf.at(work.job.root)
        future = encoders.submit(encode_stage, work, self.options, records)
        self._pending.append((work.job, future))

    def _make_room(self, job: Job) -> Iterator[Item]:
        """Wait until few enough results are pending to add another."""

        def too_many() -> bool:
            waiting = sum(other.result_bytes for other, _ in self._pending)
            return len(self._pending) > self.encoders or waiting + job.result_bytes > PENDING_BYTES

        yield from self._finished(too_many)

    def _finished(self, wanted: Callable[[], bool]) -> Iterator[Item]:
        """Take encodings off the front while `wanted`, waiting for each to finish."""
        while self._pending and wanted():
            job, future = self._pending.popleft()
            outcome = _guarded(job, future.result)
            yield outcome if isinstance(outcome, Item) else self._failed(outcome)

    def _first_is_done(self) -> bool:
        return self._pending[0][1].done()

    def _failed(self, failure: _Failure) -> Item:
        if isinstance(failure.error, SetupError):
            self.fatal = self.fatal or failure.error
        return item_of(failure.job, "failed", failure.error.reason)


def _result_bytes(work: Work | _Failure) -> int:
    return work.job.result_bytes


def _guarded(job: Job, step: Callable[[], T]) -> T | _Failure:
    """The one boundary of an item: whatever a stage raises is kept with its reason."""
    try:
        return step()
    except EscError as error:
        return _Failure(job, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours in one item must not stop the batch
        what = f"unexpected {type(error).__name__}: {error}"
        return _Failure(job, EscError(what, job.source.path, "please report this"))
