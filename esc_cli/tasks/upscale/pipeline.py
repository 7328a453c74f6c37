"""Decode, network and encode at the same time, with bounded memory and one report per item."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from typing import Protocol

from esc_cli.engine.threads import available_cores
from esc_cli.errors import DeadlineError, EscError, SetupError, StoppedError
from esc_cli.tasks.models import Choice
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.batching import Batches, Outcome, batches
from esc_cli.tasks.upscale.decode_queue import Ahead
from esc_cli.tasks.upscale.devices import Workers
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job, Settled, StreamedJob, item_of
from esc_cli.tasks.upscale.memory_limit import bounds
from esc_cli.tasks.upscale.network_step import Step
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.stages import Failure, Work, decode_stage, encode_stage, guarded

DECODED_AHEAD = 2
PENDING_BYTES = 1 << 30
"""Results that may wait for their encoder, in bytes of pixels; a single larger one may too."""
READER_S = 2.0
"""Seconds that a decoder has to finish after a stop; then it is left behind."""


def encoder_count() -> int:
    """Threads that compress: a GPU makes results faster than two cores can encode them."""
    return max(2, min(8, available_cores() - 1))


Group = Sequence[Outcome] | Settled


@dataclass
class _Pictures:
    """Groups of decoded pictures up to the end, or to the next video, which is kept in `streamed`.

    A group never waits for more to come: a device that is idle gets what there is.
    """

    ahead: Ahead
    batches: Batches
    goes_on: Callable[[], bool]
    streamed: StreamedJob | None = None

    def __iter__(self) -> Iterator[Group]:
        while self.goes_on() and (first := self.ahead.take(self.goes_on)) is not None:
            if isinstance(first, StreamedJob):
                self.streamed = first
                return
            yield first if isinstance(first, Settled) else self._group(first)

    def _group(self, first: Outcome) -> Sequence[Outcome]:
        group = [first]
        while isinstance(other := self.ahead.take_if(partial(self.batches.joins, group)), Work):
            group.append(other)
        return group


class Runner(Protocol):
    """What runs the jobs of a batch: this machine, or those of a cluster.

    `fatal` is set when the environment failed and the rest was not tried, `late` when the time
    that the user set was up first.
    """

    stop: Stop
    fatal: EscError | None
    late: EscError | None

    def prepared(self, networks: Iterable[Choice]) -> AbstractContextManager[None]:
        """Within, these networks are ready."""

    def run(self, jobs: Sequence[Job], more: Iterable[Job | Settled] = ()) -> Iterator[ItemEvent]:
        """The items of the jobs as they finish, and of `more`, which is asked for one by one."""


@dataclass
class Pipeline:
    """Runs jobs by the steps that it is handed, one for each device; the first has the videos."""

    options: UpscaleOptions
    steps: Sequence[Step]
    shelf: RecordShelf
    stop: Stop
    fatal: EscError | None = None
    late: EscError | None = None
    encoders: int = field(default_factory=encoder_count)
    _pending: deque[tuple[Job, Future[Item | Failure]]] = field(default_factory=deque)

    def __post_init__(self) -> None:
        """Nothing is loaded yet."""
        self.workers = Workers(self.steps)

    @contextmanager
    def prepared(self, networks: Iterable[Choice]) -> Iterator[None]:
        """Within, these networks are loaded on every device. Raises as `Step.prepare`."""
        for choice in networks:
            self.workers.prepare(choice)
        yield

    def run(self, jobs: Sequence[Job], more: Iterable[Job | Settled] = ()) -> Iterator[ItemEvent]:
        """The items of the jobs as they finish, until all are done, a stop, or a fatal error.

        A video, which takes its time, tells of its progress in between. `more` is asked for by the
        thread that decodes, and must raise nothing.
        """
        devices = len(self.steps)
        joined = batches(self.options, self.workers.device_types)
        ahead = Ahead(max(DECODED_AHEAD, devices), joined.pixels * devices)
        reader = threading.Thread(target=self._read, args=(chain(jobs, more), ahead), daemon=True)
        reader.start()
        with ThreadPoolExecutor(self.encoders, thread_name_prefix="encode") as encoders:
            try:
                yield from self._consume(ahead, joined, encoders)
            finally:
                ahead.close()
                self._leave(reader)

    def _read(self, jobs: Iterable[Job | Settled], ahead: Ahead) -> None:
        for job in jobs:
            if ahead.is_closed or not self._goes_on():
                break
            if isinstance(job, (StreamedJob, Settled)):
                ahead.put(job)
                continue
            ahead.put(guarded(job, partial(self._decoded, job)))
        ahead.put(None)

    def _leave(self, reader: threading.Thread) -> None:
        """Wait for the thread that decodes, but not for a decoder that hangs when time counts."""
        while reader.is_alive() and not (self.stop or self.stop.is_due):
            reader.join(READER_S / 10)
        reader.join(READER_S)

    def _decoded(self, job: Job) -> Work:
        return decode_stage(job, bounds(self.options))

    def _consume(
        self, ahead: Ahead, joined: Batches, encoders: ThreadPoolExecutor
    ) -> Iterator[ItemEvent]:
        """Pictures are shared by the devices; a video waits for them and has the first device."""

        def enlarge(step: Step, group: Group) -> Group:
            return group if isinstance(group, Settled) else step.enlarge(group, joined)

        while True:
            pictures = _Pictures(ahead, joined, self._goes_on)
            for group in self.workers.spread(pictures, enlarge, _result_bytes):
                yield from self._take_over(group, encoders)
            yield from self._finished(lambda: True)
            if pictures.streamed is None:
                return
            yield from self._streamed(pictures.streamed)

    def _take_over(self, group: Group, encoders: ThreadPoolExecutor) -> Iterator[ItemEvent]:
        """Have the results of a group encoded, while the device goes on."""
        if isinstance(group, Settled):
            yield from group.items
            return
        for outcome in group:
            if isinstance(outcome, Work):
                yield from self._make_room(outcome.job, self.encoders + len(group) - 1)
                self._submit(outcome, encoders)
            elif not isinstance(outcome.error, StoppedError):
                self._pending.append((outcome.job, _already(outcome)))
            yield from self._finished(self._first_is_done)

    def _goes_on(self) -> bool:
        if self.stop.is_due and self.late is None:
            self.late = DeadlineError("the time is up")
        return not (self.fatal or self.late or self.stop)

    def _streamed(self, job: StreamedJob) -> Iterator[ItemEvent]:
        run = self.steps[0].stream(job)
        while True:
            event = guarded(job, lambda: next(run, None))
            if event is None:
                return
            if isinstance(event, Failure):
                if isinstance(event.error, DeadlineError):
                    self.late = event.error
                elif not isinstance(event.error, StoppedError):
                    yield self._failed(event)
                return
            yield event

    def _submit(self, work: Work, encoders: ThreadPoolExecutor) -> None:
        records = self.shelf.at(work.job.root)
        future: Future[Item | Failure] = encoders.submit(encode_stage, work, self.options, records)
        self._pending.append((work.job, future))

    def _make_room(self, job: Job, most: int) -> Iterator[Item]:
        """Wait until few enough results are pending to add another."""

        def too_many() -> bool:
            waiting = sum(other.result_bytes for other, _ in self._pending)
            return len(self._pending) > most or waiting + job.result_bytes > PENDING_BYTES

        yield from self._finished(too_many)

    def _finished(self, wanted: Callable[[], bool]) -> Iterator[Item]:
        """Take encodings off the front while `wanted`, waiting for each to finish."""
        while self._pending and wanted():
            job, future = self._pending.popleft()
            outcome = guarded(job, future.result)
            yield outcome if isinstance(outcome, Item) else self._failed(outcome)

    def _first_is_done(self) -> bool:
        return self._pending[0][1].done()

    def _failed(self, failure: Failure) -> Item:
        if isinstance(failure.error, SetupError):
            self.fatal = self.fatal or failure.error
        return item_of(failure.job, "failed", failure.error.reason)


def _already(failure: Failure) -> Future[Item | Failure]:
    """A failure in the place of an encoding, so that it is told when its turn comes."""
    future: Future[Item | Failure] = Future()
    future.set_result(failure)
    return future


def _result_bytes(group: Group) -> int:
    if isinstance(group, Settled):
        return 0
    return sum(outcome.job.result_bytes for outcome in group)
