"""When frames are shown, where a file says it badly, twice, or not at all."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Generic, TypeVar

from esc_cli.errors import ReadError

T = TypeVar("T")
_MOST = 3
"""Frames in a row that may be out of order; more are a clock that was set back."""


@dataclass
class _Trust:
    """How often one kind of timestamp went back."""

    last: int | None = None
    faults: int = 0

    def see(self, time: int) -> None:
        self.faults += self.last is not None and time <= self.last
        self.last = time


@dataclass
class FrameClock(Generic[T]):
    """Gives frames, in order of presentation, times that increase.

    A frame is shown at its PTS; at its DTS where it has none or where those of the file have gone
    back less often than its PTS; after the frame before where it has neither (AVI, raw streams). A
    few frames out of order are spread evenly up to the next that is in order; `mended` holds their
    times in seconds. Where units are too coarse for that, frames of one time follow each other, and
    the next give way until there is a gap. Where the times stand still, frames follow each other;
    `still` is that time.
    base: seconds per unit. nominal: units that a frame lasts if nobody says.
    """

    base: Fraction
    nominal: int
    mended: list[float] = field(default_factory=list)
    still: int | None = None
    _pts: _Trust = field(default_factory=_Trust)
    _dts: _Trust = field(default_factory=_Trust)
    _last: int | None = None
    _length: int = 0
    _late: list[tuple[T, int]] = field(default_factory=list)
    _behind: int = 0
    _given_way: int = 0

    def push(
        self, frame: T, pts: int | None, dts: int | None, duration: int
    ) -> Iterator[tuple[T, int, int]]:
        """What can be shown after one more frame: (frame, time, duration).

        Raises ReadError where the times go back for longer.
        """
        time = self._chosen(pts, dts)
        if time is None or time == self.still:
            time = 0 if self._last is None else self._expected()
            duration = duration if 2 * duration >= self.nominal else 0
        else:
            time = self._given(time)
        if self._last is not None and time <= self._last:
            self._late.append((frame, duration))
            self._behind += time < self._last
            if len(self._late) > _MOST:
                yield from self._stood_still()
            return
        time = yield from self._between(time)
        yield self._shown(frame, time, duration)

    def _given(self, time: int) -> int:
        """A time of the file, later by what frames before it took, until there is a gap for it."""
        if self._given_way:
            gap = time + self._given_way - self._expected()
            self._given_way -= min(self._given_way, max(0, gap))
        return time + self._given_way

    def finish(self) -> Iterator[tuple[T, int, int]]:
        """The rest."""
        if self._late:
            yield from self._between(self._expected() + self._step * len(self._late))

    def _stood_still(self) -> Iterator[tuple[T, int, int]]:
        """The late frames one after the other, if all have the time of the last that was shown."""
        if self._behind:
            raise self._disorder()
        self.still = self._last
        late, self._late = self._late, []
        for frame, _ in late:
            yield self._shown(frame, self._expected(), 0)

    def _disorder(self) -> ReadError:
        where = f"at {float((self._last or 0) * self.base):.3f} s"
        return ReadError(f"timestamps do not increase {where}", advice=REMUX)

    @property
    def _step(self) -> int:
        """How long the last frame lasts; of fields, raw streams say one unit, as if nothing."""
        return self._length if 2 * self._length >= self.nominal else self.nominal

    def _expected(self) -> int:
        return (self._last or 0) + self._step * (1 + len(self._late))

    def _chosen(self, pts: int | None, dts: int | None) -> int | None:
        for trust, time, other in ((self._pts, pts, dts), (self._dts, dts, pts)):
            if time is not None:
                trust.see(time)
            elif other is not None:
                trust.last = other
        if pts is None or (dts is not None and self._pts.faults > self._dts.faults):
            return dts
        return pts

    def _between(self, end: int) -> Generator[tuple[T, int, int], None, int]:
        """The late frames, evenly between the last and the next, as far as units allow.

        Returns the time of the next: `end`, or later where there is no unit for a frame that has
        the time of the one before.
        """
        late, self._late = self._late, []
        begin, parts = self._last or 0, len(late) + 1
        if late and end - begin < parts:
            self._given_way += begin + parts - end
            if self._behind or self._given_way > _MOST * self.nominal:
                raise self._disorder()
            end = begin + parts
        self._behind = 0
        for number, (frame, duration) in enumerate(late, start=1):
            time = begin + (end - begin) * number // parts
            self.mended.append(float(time * self.base))
            yield self._shown(frame, time, duration)
        return end

    def _shown(self, frame: T, time: int, duration: int) -> tuple[T, int, int]:
        self._last, self._length = time, duration
        return frame, time, duration


REMUX = "mend it first, e.g. ffmpeg -fflags +genpts -i in -map 0 -map -0:d -c copy out.mkv"
"""All streams but data, for which Matroska has no place; unasked, FFmpeg takes one of each kind."""
