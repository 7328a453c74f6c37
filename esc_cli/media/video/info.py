"""What a video is, as plain values; no PyAV, so that planning and records need none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.deinterlace_choice import AS_CALLED, Fields
from esc_cli.media.video.pixel_formats import Layout
from esc_cli.media.video.side_data import Riding

_BROADCASTS = frozenset(("mpegts", "mpeg", "wtv", "pva", "ty"))
"""Demuxers of what begins at any time of the sender's clock."""


@dataclass(frozen=True)
class FrameFormat:
    """What the samples of a frame mean: their layout, (width, height) in pixels, their colours."""

    layout: Layout
    width: int
    height: int
    tags: ColourTags


@dataclass(frozen=True)
class StreamFacts:
    """One stream beside the video: its index in the file, type and codec as FFmpeg names them.

    `kept` is false for what is made anew (chapter tracks, time codes) or left out. made: it is made
    anew. convertible: sound or text that can be decoded. is_wide: Matroska holds it, but not at
    normal compliance. becomes: the codec that it gets in the result; empty for its own.
    """

    index: int
    type: str
    codec: str
    language: str | None
    kept: bool = True
    made: bool = False
    convertible: bool = False
    is_wide: bool = False
    becomes: str = ""

    def __str__(self) -> str:
        language = f", {self.language}" if self.language else ""
        return f"stream {self.index} ({self.type}, {self.codec}{language})"


@dataclass(frozen=True)
class VideoFacts:
    """A video file before any work.

    width, height: of the coded frames, before the display matrix turns them. layout: how frames
    are read, `pixel_format` as the file has them. time_base: seconds per unit of PTS. rate:
    average frames per second. frames: as declared or estimated, 0 when unknown. exact_frames:
    the number of packets that the container declares, 0 if none. start_s, duration_s: of the
    file, declared; `declares_end` tells whether its end can be trusted. sar: sample aspect ratio,
    None when unspecified. display_matrix: 9 integers as FFmpeg has them. others: the streams
    beside it. refused: for each container, those of `others` that it cannot hold. riding: what the
    first frame carries beside its samples. codec: of the frames, as FFmpeg names it.
    bits_per_pixel: of the stream, or of the file where the stream tells no rate; None where
    neither does. interlaced: what the file calls its frames. fields: what
    is done about that; `time_base`, `rate` and `frames` are of what comes out.
    """

    demuxer: str
    stream: int
    width: int
    height: int
    pixel_format: str
    layout: Layout
    tags: ColourTags
    time_base: Fraction
    rate: Fraction
    frames: int
    exact_frames: int
    start_s: float
    duration_s: float
    declares_end: bool
    sar: Fraction | None
    display_matrix: tuple[int, ...] | None
    rotation: int
    others: tuple[StreamFacts, ...]
    refused: tuple[tuple[str, tuple[StreamFacts, ...]], ...]
    riding: Riding
    codec: str = ""
    bits_per_pixel: float | None = None
    interlaced: bool = False
    fields: Fields = AS_CALLED

    @property
    def format(self) -> FrameFormat:
        """What its frames are."""
        return FrameFormat(self.layout, self.width, self.height, self.tags)

    @property
    def clock_start(self) -> Fraction:
        """Seconds at which the clock of a broadcast stood when the recording began, else 0."""
        if self.demuxer not in _BROADCASTS:
            return Fraction(0)
        base = self.time_base * self.fields.time_units
        return round(Fraction(self.start_s) / base) * base

    @property
    def end_s(self) -> float:
        """When the file ends, as it declares.

        Matroska's duration may count from its first time or, as FFmpeg's muxer has it, from 0.
        """
        return self.duration_s + (0 if self.demuxer == "matroska" else self.start_s)

    @property
    def upright(self) -> tuple[int, int]:
        """(width, height) as shown."""
        size = (self.width, self.height)
        return size[::-1] if self.rotation % 180 else size

    @property
    def is_wide(self) -> bool:
        """Whether Matroska has to be written at less than normal compliance."""
        return any(other.is_wide and other.kept and not other.becomes for other in self.others)

    def refusing(self, container: str, streams: tuple[StreamFacts, ...]) -> VideoFacts:
        """The same, with more streams that a container cannot hold."""
        known = dict(self.refused)
        known[container] = (*known.get(container, ()), *streams)
        return replace(self, refused=tuple(known.items()))

    def refused_by(self, container: str) -> tuple[StreamFacts, ...]:
        """The streams that a container cannot hold."""
        return dict(self.refused).get(container, ())
