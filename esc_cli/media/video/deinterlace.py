"""Fields become frames, by FFmpeg's own filters, one frame after the other.

What comes out depends on the frames that went in and on nothing else, so that a video decoded again
from the same place gives the same frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from esc_cli.errors import UnsupportedError
from esc_cli.media.video.deinterlace_choice import Fields
from esc_cli.media.video.source import load_av

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Chain = tuple[tuple[str, str], ...]
"""Filters by name with their arguments, each fed by the one before."""
_CYCLE = 5
"""Frames at 30 per second of which one repeats a field pair of film at 24."""
MATCHED = ("yuv420p", "yuv422p", "yuv444p", "yuv411p", "yuv410p")
"""Formats whose fields fieldmatch can match. With more bits (its option ppsrc) it weaves only the
left half of the rows (libavfilter 11.14)."""
_THROUGH_16_BITS = ("yuva422p12le", "yuva444p12le")
"""What bwdif does not take, and FFmpeg brings to 16 bits and back without a loss: ProRes 4444. Grey
and RGB of such depths come back changed."""


@dataclass(frozen=True)
class Timed:
    """A frame with its time and duration in units of the result's time base."""

    frame: VideoFrame
    pts: int
    duration: int


class FilterChain:
    """A graph of filters for frames like the first; `pixel_format` is that of what comes out.

    Raises UnsupportedError when the filters cannot take that format.
    """

    def __init__(self, like: VideoFrame, pixel_format: str, filters: Chain) -> None:
        av = load_av()
        self._av, self._format = av, pixel_format
        self._graph: Any = av.filter.Graph()
        source = self._graph.add(
            "buffer",
            video_size=f"{like.width}x{like.height}",
            pix_fmt=like.format.name,
            time_base="1/30",
            pixel_aspect="1/1",
            frame_rate="30",
            colorspace=str(int(like.colorspace)),
            range=str(int(like.color_range)),
        )
        last = self._added(source, ("format", pixel_format))
        for filter_ in filters:
            last = self._added(last, filter_)
        if pixel_format in _THROUGH_16_BITS:
            last = self._added(last, ("format", pixel_format))
        last.link_to(self._graph.add("buffersink"))
        self._graph.configure()
        self._number = 0

    def _added(self, last: Any, filter_: tuple[str, str]) -> Any:
        context = self._graph.add(*filter_)
        last.link_to(context)
        return context

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """What comes out after one more frame; the times are numbers of frames at 30 per second,
        for a second field half of one more."""
        frame.pts, frame.time_base = self._number, Fraction(1, 30)
        self._number += 1
        self._graph.push(frame)
        return self._pulled()

    def finish(self) -> Iterator[VideoFrame]:
        """The rest."""
        self._graph.push(None)
        return self._pulled()

    def _pulled(self) -> Iterator[VideoFrame]:
        while True:
            try:
                frame = self._graph.pull()
            except (self._av.BlockingIOError, self._av.EOFError):
                return
            if frame.format.name != self._format:
                what = f"{self._format} cannot be deinterlaced"
                raise UnsupportedError(what, advice="use --deinterlace off, or convert it first")
            yield frame


def filters_for(fields: Fields) -> Chain:
    """FFmpeg's filters for a method; none for "none"."""
    mode = "send_field" if fields.is_doubled else "send_frame"
    order = fields.order
    if fields.method == "none":
        return ()
    if fields.method == "telecine":
        # What finds no match (a dissolve, a part shot on video) is deinterlaced after all.
        return (
            ("fieldmatch", f"order={order}:combmatch=full"),
            ("bwdif", f"mode=send_frame:parity={order}:deint=interlaced"),
            ("decimate", ""),
        )
    which = "all" if fields.method == "all" else "interlaced"
    bwdif = ("bwdif", f"mode={mode}:parity={order}:deint={which}")
    return (("idet", ""), bwdif) if fields.method == "combed" else (bwdif,)


class Deinterlacer:
    """Gives frames their times back after the filters, for which they are only numbered.

    nominal: the duration of a frame in the source's time base, for where the next is not known.
    """

    def __init__(self, fields: Fields, pixel_format: str, nominal: int) -> None:
        self._fields, self._format = fields, pixel_format
        self._nominal = max(1, nominal)
        self._chain: FilterChain | None = None
        self._times: dict[int, int] = {}
        self._durations: dict[int, int] = {}
        self._given = 0
        self._out = 0
        self._before: VideoFrame | None = None
        self._held: Timed | None = None

    def push(self, frame: VideoFrame, pts: int, duration: int) -> Iterator[Timed]:
        """What is ready after one more frame of the source, with its time in the source's base."""
        if self._chain is None and not self._begins(frame):
            units = self._fields.time_units
            self._before = frame
            yield Timed(frame, pts * units, duration * units)
            return
        self._times[self._given], self._durations[self._given] = pts, duration
        yield from self._timed(self._pushed(frame))

    def _begins(self, frame: VideoFrame) -> bool:
        """Whether the filters are needed from here on; stray frames may never come."""
        method = self._fields.method
        if method == "none" or (method == "flagged" and not frame.interlaced_frame):
            return False
        self._chain = FilterChain(frame, self._format, filters_for(self._fields))
        if self._before is not None:  # bwdif compares with it; it has been given out already
            list(self._pushed(self._before))
            self._before = None
        return True

    def _pushed(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        if self._chain is None:
            raise ValueError("there is no filter")
        self._given += 1
        return self._chain.push(frame)

    def finish(self) -> Iterator[Timed]:
        """The rest."""
        if self._chain is not None:
            yield from self._timed(self._chain.finish())
        if self._held is not None:
            yield self._held

    def _timed(self, frames: Iterable[VideoFrame]) -> Iterator[Timed]:
        for frame in frames:
            if self._fields.method == "telecine":
                yield self._of_film(frame)
            elif self._fields.is_doubled:
                yield from self._of_field(frame)
            elif (number := _place(frame)[0]) in self._times:
                yield Timed(frame, self._times.pop(number), self._durations.pop(number))

    def _of_field(self, frame: VideoFrame) -> Iterator[Timed]:
        """The frame before, whose end is known now.

        Two units make one of the source; the second field lies half way to the next frame.
        """
        number, is_second = _place(frame)
        self._forget(number)
        if number not in self._times:
            return
        length = self._gap(number, 1)
        held = Timed(frame, 2 * self._times[number] + is_second * length, length)
        if (last := self._held) is not None:
            most = 2 * last.duration  # of a frame that was no two fields
            yield Timed(last.frame, last.pts, min(held.pts - last.pts, most))
        self._held = held

    def _of_film(self, frame: VideoFrame) -> Timed:
        """Four units make one of the source; four frames divide the time of five evenly."""
        cycle, place = divmod(self._out, _CYCLE - 1)
        self._out += 1
        first = cycle * _CYCLE
        if first + _CYCLE > self._given:  # the last ones are no whole cycle, and all of them stay
            own = first + place
            return Timed(frame, 4 * self._times[own], 4 * self._gap(own, 1))
        self._forget(first)
        length = self._gap(first, _CYCLE)
        return Timed(frame, 4 * self._times[first] + place * length, length)

    def _gap(self, number: int, frames: int) -> int:
        """From a frame to the one so many later; the nominal time over a leap in the source."""
        usual = frames * self._nominal
        if number + frames not in self._times:
            return usual
        gap = self._times[number + frames] - self._times[number]
        return gap if gap <= usual * 1.5 + frames else usual

    def _forget(self, number: int) -> None:
        """Drop the times of frames before one."""
        for old in [known for known in self._times if known < number]:
            del self._times[old], self._durations[old]


def _place(frame: VideoFrame) -> tuple[int, int]:
    """The number of the frame that a frame was made of, and 1 for its second field."""
    halves = round((frame.pts or 0) * (frame.time_base or 0) * 60)
    return divmod(halves, 2)
