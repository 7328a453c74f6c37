"""Interlaced clips made from scratch: fields of a moving picture, woven to frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

NTSC = Fraction(30000, 1001)
FLAGS = 1 << 18 | 1 << 29  # AV_CODEC_FLAG_INTERLACED_DCT and _ME
Moment = Callable[[float], Any]


def scene(width: int = 128, height: int = 96) -> Moment:
    """Smooth shapes that move with the time, in frames: a time -> (height, width) uint8."""
    draw = np.random.default_rng(0)
    big = np.kron(draw.random((48, 64)), np.ones((8, 8))) * 180 + draw.random((384, 512)) * 40
    rows, columns = np.fft.fftfreq(384)[:, None], np.fft.fftfreq(512)[None]
    smooth = np.fft.ifft2(np.fft.fft2(big) * np.exp(-90 * (rows**2 + columns**2))).real
    smooth = np.tile(smooth, (-(-height // 384) + 1, -(-width // 512) + 1)).clip(16, 235)

    def at(time: float) -> Any:
        x, y = int(4 * time) % 512, int(2 * time) % 384
        return smooth[y : y + height, x : x + width].astype(np.uint8)

    return at


def progressive(at: Moment, count: int) -> Iterator[Any]:
    """Frames of one moment each."""
    return (at(number) for number in range(count))


def interlaced(at: Moment, count: int, top_first: bool = True) -> Iterator[Any]:
    """Frames of two moments each, half a frame apart."""
    for number in range(count):
        first, second = at(number), at(number + 0.5)
        yield woven(first, second) if top_first else woven(second, first)


def telecined(at: Moment, count: int) -> Iterator[Any]:
    """`count` frames of film that is shown for 3 and 2 fields by turns."""
    fields = [number for number in range(count) for _ in range(3 if number % 2 == 0 else 2)]
    for number in range(count):
        yield woven(at(fields[2 * number]), at(fields[2 * number + 1]))


def woven(top: Any, bottom: Any) -> Any:
    """The even rows of one and the odd rows of the other."""
    both = top.copy()
    both[1::2] = bottom[1::2]
    return both


@dataclass
class Woven:
    """How frames of luma are written as a clip; chroma is grey."""

    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    rate: Fraction = Fraction(25)
    called_interlaced: bool = True
    options: dict[str, str] = field(default_factory=lambda: {"crf": "10"})
    sar: Fraction | None = None
    sound: bool = False

    def write(self, path: Path, frames: Iterable[Any], format: str | None = None) -> Path:
        with av.open(str(path), "w", format=format) as container:
            stream = None
            for number, luma in enumerate(frames):
                if stream is None:
                    stream = self._stream(container, luma.shape)
                frame = self._frame(luma)
                frame.pts, frame.time_base = number, 1 / self.rate
                container.mux(stream.encode(frame))
            assert stream is not None
            container.mux(stream.encode(None))
        return path

    def _stream(self, container: Any, shape: tuple[int, int]) -> Any:
        stream = container.add_stream(self.codec, rate=self.rate, options=dict(self.options))
        context = stream.codec_context
        context.height, context.width = shape
        context.pix_fmt, context.thread_count = self.pix_fmt, 1
        if self.called_interlaced:
            context.flags |= FLAGS
        if self.sar is not None:
            context.sample_aspect_ratio = self.sar
        return stream

    def _frame(self, luma: Any) -> Any:
        height, width = luma.shape
        frame = av.VideoFrame(width, height, self.pix_fmt)
        shift = frame.format.components[0].bits - 8
        dtype = np.dtype("<u2") if shift else np.uint8
        for index, plane in enumerate(frame.planes):
            samples = np.frombuffer(plane, dtype)
            rows = samples.reshape(-1, plane.line_size // samples.itemsize)
            rows[:] = 128 << shift
            if index == 0:
                rows[:height, :width] = luma.astype(dtype) << shift
        return frame


def psnr(one: Any, other: Any) -> float:
    """dB of two planes of 8 bits."""
    difference = np.asarray(one, np.float64) - np.asarray(other, np.float64)
    return float(10 * np.log10(255**2 / max(1e-9, float((difference**2).mean()))))
