"""Decoder, network and encoder at the same time, with bounded queues between them."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from esc_cli.errors import DeadlineError
from esc_cli.media.video.frames import Plane, RawFrame

T = TypeVar("T")
_STAGES = ("decode", "network", "encode")
_LOOK_S = 0.02
Result = tuple[Plane, ...]


class _Closed(Exception):  # noqa: N818 - no error: the other side has left
    """The pipeline ends before its time."""


@dataclass
class _Crash:
    """What a thread raised, on its way to the main thread."""

    error: BaseException


class Channel(Generic[T]):
    """A bounded queue that ends when either side wants it to."""

    def __init__(self, size: int, closed: threading.Event) -> None:
        self._queue: queue.Queue[T | None] = queue.Queue(size)
        self._closed = closed

    def put(self, value: T | None) -> None:
        """Hand a value over, None for the end; waits for room. Raises _Closed."""
        while not self._closed.is_set():
            try:
                self._queue.put(value, timeout=0.1)
            except queue.Full:
                continue
            return
        raise _Closed

    def get(self) -> T | None:
        """The next value. Raises _Closed."""
        while not self._closed.is_set():
            try:
                return self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
        raise _Closed


@dataclass
class Stages:
    """The three stages of a video.

    frames: the decoder, lazily. network: a batch of frames -> their results. write_segment: takes
    the number of a segment, its frames as they come, and returns when it is on disk.
    """

    frames: Callable[[], Iterator[RawFrame]]
    network: Callable[[Sequence[RawFrame]], list[Result]]
    write_segment: Callable[[int, Iterator[RawFrame], list[int]], None]


@dataclass
class FrameStream:
    """Runs the stages over all frames, segment after segment.

    wanted: whether a segment, by its number from 0 on, is to be done; the frames of others are
    decoded and passed over. `seconds` is the time that each stage worked. `is_due` ends it at a
    border of segments with DeadlineError. most_begun: segments that may be begun and not on disk,
    where others would do those that are not begun; None for no bound but that of the queues.
    join_s: how long to wait at the end for a decoder that itself may wait for ever, on a pipe.
    """

    stages: Stages
    batch: int
    segment_frames: int
    wanted: Callable[[int], bool] = lambda _: True
    is_due: Callable[[], bool] = lambda: False
    most_begun: int | None = None
    join_s: float | None = None
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_STAGES, 0.0))
    done: int = 0
    _begun: int = 0
    _written: int = 0
    _ended_by_deadline: bool = False
    _closed: threading.Event = field(default_factory=threading.Event)

    def run(self) -> Iterator[int]:
        """Yields the number of frames through the network, as it grows; raises what a stage does.

        When it ends, all segments are on disk. Closing it early leaves only whole segments.
        """
        decoded: Channel[Any] = Channel(2 * self.batch + 2, self._closed)
        results: Channel[Any] = Channel(2 * self.batch + 2, self._closed)
        failures: list[BaseException] = []
        reader = threading.Thread(target=self._decode, args=(decoded,), daemon=True)
        writer = threading.Thread(target=self._encode, args=(results, failures), daemon=True)
        reader.start()
        writer.start()
        try:
            yield from self._middle(decoded, results)
            results.put(None)
            writer.join()
        except _Closed:
            writer.join()
        finally:
            self._closed.set()
            reader.join(self.join_s)
            writer.join()
        if failures:
            raise failures[0]
        if self._ended_by_deadline:
            raise DeadlineError("the time is up")

    def _decode(self, decoded: Channel[Any]) -> None:
        try:
            frames, index, is_wanted = self.stages.frames(), 0, False
            while (frame := self._timed("decode", lambda: next(frames, None))) is not None:
                number, place = divmod(index, self.segment_frames)
                is_wanted = is_wanted if place else self._begins(number)
                if is_wanted:
                    decoded.put((number, frame))
                elif self._closed.is_set():
                    return
                index += 1
            decoded.put(None)
        except _Closed:
            return
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread
            try:
                decoded.put(_Crash(error))
            except _Closed:
                return

    def _begins(self, number: int) -> bool:
        """Whether a segment is to be done, asked when few enough are at work. Raises _Closed."""
        while self.most_begun is not None and self._begun - self._written >= self.most_begun:
            if self._closed.wait(_LOOK_S):
                raise _Closed
        is_wanted = self.wanted(number)
        self._begun += is_wanted
        return is_wanted

    def _middle(self, decoded: Channel[Any], results: Channel[Any]) -> Iterator[int]:
        """Batches through the network. Batches and repetitions never cross a segment's border."""
        segment = _Segment(self.batch)
        while True:
            value = decoded.get()
            if isinstance(value, _Crash):
                raise value.error
            if value is not None:
                segment.number, frame = value
                segment.add(frame)
            at_border = value is None or segment.count == self.segment_frames
            if segment.is_full or at_border:
                yield from self._pass(segment, results)
            if at_border:
                if segment.count:
                    results.put(_Border())
                segment = _Segment(self.batch)
                if value is None:
                    return
                if self.is_due():
                    self._ended_by_deadline = True
                    return

    def _pass(self, segment: _Segment, results: Channel[Any]) -> Iterator[int]:
        """The waiting frames of a segment through the network, and on to the encoder."""
        fresh = segment.fresh()
        if fresh:
            segment.results.extend(self._timed("network", lambda: self.stages.network(fresh)))
        for frame, index, is_repeat in segment.take():
            planes = segment.results[index]
            results.put((segment.number, RawFrame(frame.pts, frame.duration, planes), is_repeat))
            self.done += 1
        segment.forget()
        yield self.done

    def _encode(self, results: Channel[Any], failures: list[BaseException]) -> None:
        try:
            while (first := results.get()) is not None:
                number, repeated = first[0], [0]
                frames = self._of_segment(first, results, repeated)
                self._timed("encode", lambda: self.stages.write_segment(number, frames, repeated))  # noqa: B023
                self._written += 1
        except _Closed:
            return
        except BaseException as error:  # noqa: BLE001 - raised again on the main thread
            failures.append(error)
            self._closed.set()

    def _of_segment(
        self, first: Any, results: Channel[Any], repeated: list[int]
    ) -> Iterator[RawFrame]:
        value = first
        while not isinstance(value, _Border):
            _, frame, is_repeat = value
            repeated[0] += is_repeat
            yield frame
            start = time.perf_counter()
            value = results.get()
            self.seconds["encode"] -= time.perf_counter() - start  # it only waited

    def _timed(self, stage: str, work: Callable[[], T]) -> T:
        start = time.perf_counter()
        try:
            return work()
        finally:
            self.seconds[stage] += time.perf_counter() - start


class _Border:
    """The end of a segment."""


@dataclass
class _Segment:
    """The frames of one segment that wait for the network, and the results they may share."""

    batch: int
    number: int = 0
    count: int = 0
    results: list[Result] = field(default_factory=list)
    _fresh: list[RawFrame] = field(default_factory=list)
    _waiting: list[tuple[RawFrame, int, bool]] = field(default_factory=list)
    _last: RawFrame | None = None

    @property
    def is_full(self) -> bool:
        """Whether a batch is complete, or so many repetitions wait that they ought to go on."""
        return len(self._fresh) >= self.batch or len(self._waiting) >= 4 * self.batch + 8

    def add(self, frame: RawFrame) -> None:
        """One more frame; one that equals the last shares its result."""
        is_repeat = self._last is not None and frame.same_pixels(self._last)
        if not is_repeat:
            self._fresh.append(frame)
        index = len(self.results) + len(self._fresh) - 1
        self._waiting.append((frame, index, is_repeat))
        self._last = frame
        self.count += 1

    def fresh(self) -> list[RawFrame]:
        """The frames that the network must see, once."""
        frames, self._fresh = self._fresh, []
        return frames

    def take(self) -> list[tuple[RawFrame, int, bool]]:
        """All that wait, each with the index of its result."""
        waiting, self._waiting = self._waiting, []
        return waiting

    def forget(self) -> None:
        """Drop all results but the last, which a repetition may still need."""
        self.results = self.results[-1:]
