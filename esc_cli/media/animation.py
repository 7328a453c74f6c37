"""What the three animated formats share: the part that changes, and delays on a coarser clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from esc_cli.media.picture import Frame


@dataclass(frozen=True)
class Box:
    """A rectangle of whole pixels."""

    left: int
    top: int
    width: int
    height: int

    def cut(self, frame: Frame) -> Frame:
        """That part of a (H, W, C) frame, C-contiguous."""
        rows = slice(self.top, self.top + self.height)
        return np.ascontiguousarray(frame[rows, self.left : self.left + self.width])


def changed_box(previous: Frame | None, frame: Frame, grid: int = 1) -> Box:
    """The smallest rectangle, its corner on multiples of `grid`, outside which nothing changes.

    The whole frame when there is no previous one. One pixel when both are equal, because a frame
    without pixels cannot be written and a frame that is left out would change the timing.
    """
    if previous is None:
        return Box(0, 0, frame.shape[1], frame.shape[0])
    differs = (previous != frame).any(axis=2)  # (H, W)
    rows, columns = np.flatnonzero(differs.any(axis=1)), np.flatnonzero(differs.any(axis=0))
    if rows.size == 0:
        return Box(0, 0, 1, 1)
    top, left = int(rows[0]) // grid * grid, int(columns[0]) // grid * grid
    return Box(left, top, int(columns[-1]) + 1 - left, int(rows[-1]) + 1 - top)


def on_clock(durations_ms: Sequence[float], tick_ms: int, most: int) -> list[int]:
    """Each delay in whole ticks, at most `most`, such that rounding does not add up over time."""
    ends = np.rint(np.cumsum([0.0, *durations_ms]) / tick_ms).astype(int)
    return [min(int(ticks), most) for ticks in np.diff(ends)]
