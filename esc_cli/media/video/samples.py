"""Runs of a few frames from places all over a video, enlarged in the plain way, for forecasts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from esc_cli.media.video.codecs import Encoding
from esc_cli.media.video.encoder import SegmentEncoder, frame_of
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.reader import Part, Reader, planes_of
from esc_cli.media.video.source import is_ffmpeg_error, open_video

PLACES = 4
RUN_FRAMES = 24


@dataclass(frozen=True)
class Cost:
    """Bytes that an encoder makes of a run: of its first frame, and of each of the others."""

    first: float
    other: float

    def __truediv__(self, cheap: Cost) -> Cost:
        """How much larger each is than that of a cheap run; 1 where that holds next to nothing."""
        return Cost(self.first / max(1.0, cheap.first), self.other / max(1.0, cheap.other))

    def times(self, ratio: Cost) -> Cost:
        """Each larger by its own ratio."""
        return Cost(self.first * ratio.first, self.other * ratio.other)


def cost_of(frames: list[RawFrame], encoding: Encoding, threads: int) -> Cost:
    """What a run of frames in the layout of the encoding costs. Raises UnsupportedError."""
    encoder = SegmentEncoder(encoding, threads)
    packets = [packet for frame in frames for packet in encoder.encode(frame)]
    packets += encoder.finish()
    sizes = [len(packet.payload) for packet in packets]
    return Cost(sizes[0], sum(sizes[1:]) / max(1, len(sizes) - 1))


def runs_of(path: Path, facts: VideoFacts, part: Part, count: int) -> Iterator[list[RawFrame]]:
    """Runs of frames from all over a part of about `count` frames. Raises as `Reader.frames`."""
    if count <= PLACES * RUN_FRAMES:
        yield list(Reader(path, facts, part).frames())
        return
    for number in range(PLACES):
        share = (number + 0.5) / PLACES
        start = (part.start or 0.0) + share * count / float(facts.rate)
        yield list(Reader(path, facts, Part(start, frames=RUN_FRAMES)).frames())


def enlarged(frame: RawFrame, facts: VideoFacts, encoding: Encoding) -> RawFrame:
    """A frame of the source at the size and in the layout of the encoding, by FFmpeg's scaler."""
    own = replace(encoding, layout=facts.layout, width=facts.width, height=facts.height)
    scaled = frame_of(frame, own).reformat(
        encoding.width, encoding.height, encoding.layout.name, interpolation="BICUBIC"
    )
    return RawFrame(frame.pts, frame.duration, planes_of(scaled, encoding.layout))


@dataclass(frozen=True)
class Tally:
    """What the packets of a video tell: of the pictures, how many and how many of them are key
    frames; the bytes of the streams that are copied."""

    packets: int
    keys: int
    copied: int


def tally(path: Path, facts: VideoFacts) -> Tally:
    """Read all packets, as far as they can be read. Raises ReadError for what cannot be opened."""
    kept = {other.index for other in facts.others if other.kept}
    packets = keys = copied = 0
    with open_video(path) as container:
        streams = [s for s in container.streams if s.index in kept | {facts.stream}]
        try:
            for packet in container.demux(streams):
                if packet.stream_index in kept:
                    copied += packet.size
                elif packet.size:
                    packets, keys = packets + 1, keys + packet.is_keyframe
        except Exception as error:
            if not is_ffmpeg_error(error):
                raise
    return Tally(packets, keys, copied)
