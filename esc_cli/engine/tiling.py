"""Where tiles lie. Pure geometry, in input pixels, without torch.

A tile starts on the grid of the attention windows, so that its windows are those of the whole
picture. Neighbours overlap, and the border between their results runs through the middle of the
overlap: each output pixel comes from one tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Span:
    """One axis of a tile: it reads [start, stop) and delivers [core_start, core_stop)."""

    start: int
    stop: int
    core_start: int
    core_stop: int

    @property
    def length(self) -> int:
        """Pixels read."""
        return self.stop - self.start


@dataclass(frozen=True)
class Tile:
    """A rectangle of the input."""

    rows: Span
    columns: Span

    @property
    def pixels(self) -> int:
        """Pixels read."""
        return self.rows.length * self.columns.length


LADDER = (2048, 1536, 1024, 768, 512, 384, 256, 192, 128, 96, 64, 48, 32, 24, 16)
"""Tile sides to choose from, so that the result does not hang on the last free megabyte."""


def side_for(height: int, width: int, room: float, grid: int) -> int | None:
    """The largest tile side of `LADDER` with at most `room` pixels; None when all of it fits.

    One window when nothing on the ladder fits.
    """
    if height * width <= room:
        return None
    fitting = (usable_tile(side, grid) for side in LADDER if side >= grid and side * side <= room)
    return next(fitting, grid)


def usable_tile(tile: int, grid: int) -> int:
    """The tile side that a wish stands for: a multiple of the grid, at least one window."""
    return max(tile // grid, 1) * grid


def usable_overlap(tile: int, overlap: int, grid: int) -> int:
    """The overlap that a tile has room for beside one window."""
    return max(0, min(overlap, tile - grid))


def spans(length: int, tile: int, overlap: int, grid: int) -> list[Span]:
    """Cover an axis of `length` pixels with tiles of at most `tile`, starting on the grid.

    `tile` is a multiple of the grid and leaves room for `overlap`, see `usable_tile` and
    `usable_overlap`. The step between tiles is the largest multiple of the grid that leaves at
    least `overlap` pixels in common.
    """
    if length <= tile:
        return [Span(0, length, 0, length)]
    step = (tile - overlap) // grid * grid
    return [_span(start, tile, step, length) for start in range(0, length - tile + step, step)]


def _span(start: int, tile: int, step: int, length: int) -> Span:
    margin = (tile - step) // 2
    last = start + tile >= length
    core_start = start + margin if start else 0
    core_stop = length if last else start + step + margin
    return Span(start, min(start + tile, length), core_start, core_stop)


def tiles(height: int, width: int, tile: int, overlap: int, grid: int) -> Iterator[Tile]:
    """The tiles of a picture, row by row; see `spans`."""
    columns = spans(width, tile, overlap, grid)
    for rows in spans(height, tile, overlap, grid):
        for column in columns:
            yield Tile(rows, column)
