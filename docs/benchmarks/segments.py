"""What segments cost: bytes of joined segments against one encode from the first frame to the last.

    python docs/benchmarks/segments.py [--size 1280x720] [--frames 1000] [--codec h264]

Both encode the same frames with the same settings, those of `esc upscale`; "without B-frames" is
one encode as well. PSNR is that of the luma against the frames.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from contents import KINDS

from esc_cli.media.video.codecs import GROUPING, Encoding, codec_by_name, codec_options
from esc_cli.media.video.colour_tags import ColourTags
from esc_cli.media.video.encoder import SegmentEncoder, StoredPacket
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless
from esc_cli.media.video.pixel_formats import planar
from esc_cli.media.video.reader import planes_of
from esc_cli.media.video.segments import SEGMENT, STEP, read_segment, write_segment
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.upscale.video.groups import Groups
from esc_cli.tasks.upscale.video.journal import Journal, Settled
from esc_cli.tasks.upscale.video.plan import encoder_threads, segment_frames


@dataclass
class Encode:
    """One encode of frames as they come: bytes, and errors of what a decoder makes of them."""

    encoding: Encoding
    size: int = 0
    errors: list[float] = field(default_factory=list)
    _luma: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Both codecs open."""
        self._encoder = SegmentEncoder(self.encoding, encoder_threads())
        self._decoder = av.CodecContext.create(_DECODERS[self.encoding.encoder], "r")
        self._decoder.extradata = self._encoder.headers

    def add(self, frame: RawFrame) -> None:
        """One more frame."""
        self._luma.append(frame.planes[0])
        self._take(self._encoder.encode(frame))

    def finish(self) -> None:
        """No more."""
        self._take(self._encoder.finish())
        self._compare(self._decoder.decode(None))

    def _take(self, packets: Iterable[StoredPacket]) -> None:
        for stored in packets:
            self.size += len(stored.payload)
            self._compare(self._decoder.decode(av.Packet(stored.payload)))

    def _compare(self, frames: Iterable[av.VideoFrame]) -> None:
        """Frames leave a decoder in the order in which they are shown."""
        for frame in frames:
            luma = planes_of(frame, self.encoding.layout)[0]
            difference = luma.astype(np.int16) - self._luma.pop(0)
            self.errors.append(float((difference.astype(np.float32) ** 2).mean()))


class Segments(Encode):
    """The same frames as `esc upscale` encodes them: through steps on disk, in segments."""

    def __init__(self, encoding: Encoding, folder: Path) -> None:
        super().__init__(encoding)
        length = segment_frames(encoding.format, None)
        self.kept = encoding
        settled = Settled(1, encoder_threads(), length)
        self.journal = Journal(folder, {}, settled)
        self.journal.rewrite()
        self.groups = None
        if encoding.encoder in GROUPING:
            self.groups = Groups(self.journal, encoding, lambda: None)
            self.kept = lossless(encoding)
        self._waiting: list[RawFrame] = []

    def add(self, frame: RawFrame) -> None:
        """One more frame; a step when there are enough."""
        self._luma.append(frame.planes[0])
        self._waiting.append(frame)
        if len(self._waiting) == self.journal.settled.segment_frames:
            self._step()

    def _step(self) -> None:
        encoder = SegmentEncoder(self.kept, encoder_threads())
        packets = [p for frame in self._waiting for p in encoder.encode(frame)]
        packets += encoder.finish()
        number, kind = len(self.journal.entries), SEGMENT if self.groups is None else STEP
        folder = self.journal.folder
        state = write_segment(folder, number, encoder.headers, packets, kind)
        self.journal.append(state, 0)
        self._waiting = []
        if self.groups is not None:
            self.groups.advance()

    def finish(self) -> None:
        """No more; all segments are decoded."""
        if self._waiting:
            self._step()
        if self.groups is not None:
            self.groups.finish()
        for path in self.journal.segments:
            self._take(read_segment(path)[1])
        self._compare(self._decoder.decode(None))


_DECODERS = {"libx264": "h264", "libx265": "hevc", "libsvtav1": "libdav1d"}


def frames_of(kind: str, size: tuple[int, int], count: int) -> Iterator[RawFrame]:
    """The frames of a kind of content in 4:2:0."""
    layout = planar("yuv420p")
    for number, rgb in enumerate(KINDS[kind](size, count)):
        frame = av.VideoFrame.from_ndarray(rgb, "rgb24").reformat(format="yuv420p")
        yield RawFrame(number, 1, planes_of(frame, layout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="1280x720")
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--codec", default="h264")
    wish = parser.parse_args()
    width, height = (int(side) for side in wish.size.split("x"))
    codec = codec_by_name(wish.codec)
    encoding = Encoding(
        codec.encoder, codec_options(codec, None, None), "matroska", planar("yuv420p"),
        width, height, Fraction(1, 25), Fraction(25), None, ColourTags(), None,
    )  # fmt: skip
    for name, value in environment_facts().items():
        print(f"{name}: {value}")
    print(f"{wish.codec}, {wish.size}, {wish.frames} frames")
    for kind in KINDS:
        report(kind, encoding, wish.frames)


def report(kind: str, encoding: Encoding, count: int) -> None:
    """Print one line."""
    with tempfile.TemporaryDirectory() as name:
        every: dict[str, Encode] = {"one encode": Encode(encoding)}
        every["segments"] = Segments(encoding, Path(name))
        if encoding.encoder in _WITHOUT:
            plain = (*encoding.options, *_WITHOUT[encoding.encoder])
            every["without B-frames"] = Encode(replace(encoding, options=plain))
        for frame in frames_of(kind, (encoding.width, encoding.height), count):
            for one in every.values():
                one.add(frame)
        for one in every.values():
            one.finish()
            assert len(one.errors) == count
        segments = len(every["segments"].journal.segments)
    whole = every["one encode"].size
    parts = [
        f"{name} {one.size / 1e6:.3f} MB ({one.size / whole - 1:+.1%}), {psnr(one):.2f} dB"
        for name, one in every.items()
    ]
    print(f"{kind}: {'; '.join(parts)}; {segments} segments", flush=True)


def psnr(done: Encode) -> float:
    """dB of the mean error."""
    return float(10 * np.log10(255**2 / max(1e-9, float(np.mean(done.errors)))))


_WITHOUT = {"libx264": (("bf", "0"),), "libx265": (("x265-params", "bframes=0"),)}


if __name__ == "__main__":
    main()
