"""Clips whose frames tell their number, so that what is shown when can be read off the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from clips import Clip

_LOW, _STEP = 20, 6


@dataclass
class Counted(Clip):
    """Frame `n` has the luma 20 + 6 * n; at most 35 frames, `rate` a second."""

    rate: int = 10

    def _video(self, container: Any) -> Any:
        stream = super()._video(container)
        stream.codec_context.framerate = Fraction(self.rate)
        return stream

    def frame(self, number: int) -> Any:
        frame = av.VideoFrame(*self.size, self.pix_fmt)
        for index, plane in enumerate(frame.planes):
            np.frombuffer(plane, np.uint8)[:] = 128 if index else _LOW + _STEP * number
        return frame


def shown(path: Path) -> list[tuple[int, Fraction]]:
    """(the number of a frame, seconds) in the order in which frames come out."""
    with av.open(str(path)) as container:
        return [
            (round((float(np.frombuffer(f.planes[0], np.uint8)[0]) - _LOW) / _STEP), f.pts * base)
            for f in container.decode(video=0)
            for base in [f.time_base]
        ]


def packets(path: Path, kind: str) -> dict[bytes, Fraction]:
    """The time in seconds of each packet of the first stream of a kind, by its bytes."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        found = container.demux(stream)
        return {bytes(p): p.pts * p.time_base for p in found if p.size and p.pts is not None}
