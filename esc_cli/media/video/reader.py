"""Decoding a video: frames in order with their own timestamps, and an account of the damage."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from esc_cli.errors import EscError, ReadError, UnsupportedError, counted
from esc_cli.media.video.clock import FrameClock
from esc_cli.media.video.decoders import decoder_of
from esc_cli.media.video.deinterlace import Deinterlacer, Timed
from esc_cli.media.video.frames import Plane, RawFrame
from esc_cli.media.video.hardware import accelerator
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.leading_frames import Beginning, is_before_edit
from esc_cli.media.video.packed_rgb import is_packed, packed_planes
from esc_cli.media.video.pixel_formats import Layout, planar, step_to_planar
from esc_cli.media.video.probe import NUMBERED, main_stream, riding_on
from esc_cli.media.video.seeking import starts_at
from esc_cli.media.video.source import is_ffmpeg_error, open_video, sought, without_guesses

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.frame import VideoFrame


@dataclass(frozen=True)
class Part:
    """What is wanted of a video: seconds from its start, seconds, frames; None for all."""

    start: float | None = None
    duration: float | None = None
    frames: int | None = None

    @property
    def whole(self) -> bool:
        """Whether it is everything."""
        return self.start is None and self.duration is None and self.frames is None

    def span_s(self, start_s: float) -> tuple[float | None, float | None]:
        """The seconds at which it begins and ends in a file that begins at `start_s`.

        None for the file's own. A frame belongs to it from the first on and before the last.
        """
        first = None if self.start is None else start_s + self.start
        last = None if self.duration is None else (first or start_s) + self.duration
        return first, last


WHOLE = Part()


@dataclass
class Reader:
    """Reads the frames of a video.

    After `frames` has ended, `pts` holds the timestamps of all frames in order, `damage` one
    sentence for each thing that could not be decoded, `end_s` where the packets end, and `riding`
    what frames carried that no encoder is given, in words, `hidden` how many frames an edit list
    hides. hwaccel: the device whose decoders are
    used, None for the processor's; `decoded_by` says after the first frame which it was.
    """

    path: Path
    facts: VideoFacts
    part: Part = WHOLE
    hwaccel: str | None = None
    decoded_by: str | None = None
    pts: array[int] = field(default_factory=lambda: array("q"))
    damage: list[str] = field(default_factory=list)
    end_s: float = 0.0
    riding: dict[str, None] = field(default_factory=dict)
    hidden: int = 0
    _packets: int = 0
    _beginning: Beginning = field(default_factory=Beginning)
    _clock: FrameClock[VideoFrame] | None = None

    @property
    def mends(self) -> list[str]:
        """A sentence for each thing that was put right on the way."""
        facts, found = self.facts, self._clock.mended if self._clock else []
        base = facts.time_base * facts.fields.time_units
        told = self._beginning.told(base)
        if self._clock is not None and self._clock.still is not None:
            where = f"{float(self._clock.still * base):.3f} s"
            told.append(f"timestamps stand still at {where}: frames follow each other")
        if found:
            count = counted(len(found), "frame")
            told.append(f"{count} out of order put between the others, first at {found[0]:.3f} s")
        return told

    def frames(self) -> Iterator[RawFrame]:
        """The frames in order of presentation.

        Raises ReadError where timestamps do not increase, UnsupportedError where the picture
        changes its size or format. Damage is not raised but noted.
        """
        with open_video(self.path, accelerator(self.hwaccel)) as container:
            try:
                yield from self._wanted(container)
            except (ReadError, UnsupportedError) as error:
                raise type(error)(error.what, self.path, error.advice) from error
        if self.part.whole:
            self._check_end()

    def _wanted(self, container: InputContainer) -> Iterator[RawFrame]:
        base, part = self.facts.time_base, self.part
        first, last = part.span_s(self.facts.start_s)
        own = base * self.facts.fields.time_units
        if first is not None and starts_at(self.path, own, first):
            sought(container, first)
        for timed in self._deinterlaced(container, first):
            time = float(timed.pts * base)
            if first is not None and time < first - 1e-9:
                continue
            if last is not None and time >= last - 1e-9:
                return
            self.pts.append(timed.pts)
            planes = planes_of(timed.frame, self.facts.layout)
            yield RawFrame(timed.pts, timed.duration, planes)
            if part.frames is not None and len(self.pts) >= part.frames:
                return

    def _deinterlaced(self, container: InputContainer, first: float | None) -> Iterator[Timed]:
        """Frames as they are shown, also some before `first`, from which the filters begin."""
        facts = self.facts
        base = facts.time_base * facts.fields.time_units  # of the source
        nominal = round(facts.fields.growth / facts.rate / base)
        fields = Deinterlacer(facts.fields, facts.layout.name, nominal)
        for frame, pts, duration in self._clocked(container, base, nominal):
            time = float(pts * base)
            if first is None or time >= first - 1e-9:
                self._note(frame, time)
            yield from fields.push(frame, pts, duration)
        yield from fields.finish()

    def _clocked(
        self, container: InputContainer, base: Fraction, nominal: int
    ) -> Iterator[tuple[VideoFrame, int, int]]:
        """Frames, each with its time and duration in units of the source."""
        clock = self._clock = FrameClock(base, max(1, nominal))
        for frame in self._decoded(container):
            self._check(frame, base)
            times = (None, None) if self.facts.demuxer in NUMBERED else (frame.pts, frame.dts)
            yield from clock.push(frame, *times, int(frame.duration or 0))
        yield from clock.finish()

    def _check(self, frame: VideoFrame, base: Fraction) -> None:
        time = frame.pts if frame.pts is not None else frame.dts
        where = "on the way" if time is None else f"at {float(time * base):.3f} s"
        if (frame.width, frame.height) != (self.facts.width, self.facts.height):
            raise UnsupportedError(f"the size changes {where}", advice="split the video there")
        if frame.format.name != self.facts.pixel_format:
            raise UnsupportedError(f"the pixel format changes {where}", advice="split it there")

    def _note(self, frame: VideoFrame, time: float) -> None:
        if frame.is_corrupt:
            self.damage.append(f"the frame at {time:.3f} s is damaged")
        self.riding.update(dict.fromkeys(riding_on(frame).others))

    def _decoded(self, container: InputContainer) -> Iterator[VideoFrame]:
        stream = main_stream(container)
        decoder = decoder_of(stream)
        # Several frames at once, but for fields: FFmpeg then calls whole ones damaged.
        decoder.thread_type = "SLICE" if self.facts.interlaced else "AUTO"
        without_guesses(container)
        for packet in self._demuxed(container):
            if packet.stream is not stream:
                continue
            begins = stream.start_time if self.hidden else None
            is_hidden = packet.is_discard or is_before_edit(packet, begins)
            self._beginning.see(packet, is_hidden=is_hidden)
            try:
                decoded = decoder.decode(packet)
            except Exception as error:
                if isinstance(error, EscError) or not is_ffmpeg_error(error):
                    raise
                if not self._beginning.excuses():
                    self.damage.append(f"a packet{_when(packet)} cannot be decoded")
                continue
            for frame in decoded:
                if is_before_edit(frame, begins) or self._beginning.drops(frame):
                    continue
                if self.hwaccel and self.decoded_by is None:
                    is_used = stream.codec_context.is_hwaccel
                    self.decoded_by = self.hwaccel if is_used else "the processor"
                yield self._as_probed(frame)

    def _as_probed(self, frame: VideoFrame) -> VideoFrame:
        """The frame of another decoder in the pixel format that the file has."""
        own, probed = frame.format.name, self.facts.pixel_format
        if self.hwaccel and own in ("nv12", "p010le") and planar(own).name == planar(probed).name:
            return frame.reformat(format=probed)
        return frame

    def _demuxed(self, container: InputContainer) -> Iterator[Packet[Any]]:
        packets = container.demux()
        while True:
            try:
                packet = next(packets, None)
            except Exception as error:
                if not is_ffmpeg_error(error):
                    raise
                self.damage.append(f"the file cannot be read on after {self.end_s:.3f} s")
                return
            if packet is None:
                return
            self._count(packet)
            yield packet

    def _count(self, packet: Packet[Any]) -> None:
        begin = packet.pts if packet.pts is not None else packet.dts
        if begin is not None:
            end = float((begin + (packet.duration or 0)) * packet.time_base)
            self.end_s = max(self.end_s, end)
        if packet.size and packet.stream_index == self.facts.stream:
            self._packets += 1
            self.hidden += packet.is_discard
        if packet.is_corrupt and not self._beginning.excuses():
            self.damage.append(f"a packet{_when(packet)} is damaged")

    def _check_end(self) -> None:
        """Note it when the file ends before what it declares."""
        facts, left = self.facts, self.facts.exact_frames - self._packets
        missing_s = facts.end_s - max(self.end_s, self._last_s)
        # An edit list hides frames that the file counts, but then nothing is missing at the end.
        if facts.exact_frames and left > 0 and missing_s > 0.5 / float(facts.rate):
            what = f"{self._packets} of {facts.exact_frames} frames"
            self.damage.insert(0, f"the file is cut short: it ends at {self._last_s:.3f} s, {what}")
        elif self.hidden and left == 0:
            return  # what is declared counts those that are hidden
        elif facts.declares_end and missing_s > 2 / float(facts.rate) + 0.05:
            what = f"it ends at {self.end_s:.3f} s of {self.end_s + missing_s:.3f} s"
            self.damage.insert(0, f"the file is cut short: {what}")

    @property
    def _last_s(self) -> float:
        return float(self.pts[-1] * self.facts.time_base) if self.pts else 0.0


def _when(packet: Packet[Any]) -> str:
    return "" if packet.pts is None else f" at {float(packet.pts * packet.time_base):.3f} s"


def planes_of(frame: VideoFrame, layout: Layout) -> tuple[Plane, ...]:
    """Copies of a frame's planes, in the order and type of `layout`."""
    if is_packed(frame.format.name):
        return packed_planes(frame)
    if step := step_to_planar(frame.format.name):
        frame = frame.reformat(format=step)
    if frame.format.name not in (layout.name, layout.name.replace("yuv", "yuvj", 1)):
        frame = frame.reformat(format=layout.name)
    dtype = np.uint8 if layout.bytes_per_sample == 1 else np.dtype("<u2")
    sizes = layout.plane_sizes(frame.width, frame.height)
    if layout.is_interleaved:
        both = _rows(frame.planes[0], dtype)[:, : 2 * frame.width]
        return both[:, 0::2].copy(), both[:, 1::2].copy()
    return tuple(
        _rows(plane, dtype)[:rows, :columns].copy()
        for plane, (rows, columns) in zip(frame.planes, sizes, strict=True)
    )


def _rows(plane: Any, dtype: Any) -> Plane:
    samples = np.frombuffer(plane, dtype)
    return samples.reshape(-1, plane.line_size // samples.itemsize)
