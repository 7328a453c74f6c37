"""One tile through the network: the step that the `Upscaler` repeats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from esc_cli.engine.tiling import Span, Tile
from esc_cli.engine.transfer import arrivals
from esc_cli.model import Network
from esc_cli.model.lte import ESCLTE, Axis, Lattice
from esc_cli.model.network import Part, joined


@dataclass(frozen=True)
class Canvas:
    """The sizes of a picture and its result, (height, width), and where tiles land in it."""

    in_size: tuple[int, int]
    out_size: tuple[int, int]

    def out_rows(self, tile: Tile) -> slice:
        """Rows of the result that a tile delivers."""
        return _out_slice(tile.rows, self.in_size[0], self.out_size[0])

    def out_columns(self, tile: Tile) -> slice:
        """Columns of the result that a tile delivers."""
        return _out_slice(tile.columns, self.in_size[1], self.out_size[1])


def _out_slice(span: Span, length: int, out_length: int) -> slice:
    return slice(
        round(span.core_start * out_length / length), round(span.core_stop * out_length / length)
    )


def render(
    network: Network, pixels: Tensor, tile: Tile, canvas: Canvas, self_ensemble: bool
) -> Iterator[Part]:
    """What a tile, pixels (B, 3, h, w), delivers: parts that cover its core, where they land.

    Each part is on the device and may be dropped once it is stored. With `self_ensemble`, one
    part on the CPU: the mean over the 8 flips and quarter turns of the tile.
    """
    if isinstance(network, ESCLTE):
        view = _lte_view(network, tile, canvas)
    else:
        view = _fixed_view(network, tile, canvas.out_size[0] // canvas.in_size[0])
    parts = [_mean(view, pixels)] if self_ensemble else view.parts(pixels, _Turn())
    at = canvas.out_rows(tile).start, canvas.out_columns(tile).start
    for part in parts:
        yield from _moved(part, view, at)


@dataclass(frozen=True)
class _Turn:
    """One of the 8 symmetries of the square: perhaps flips, then perhaps a transposition."""

    flip_rows: bool = False
    flip_columns: bool = False
    transpose: bool = False

    def apply(self, x: Tensor) -> Tensor:
        """(..., H, W) turned."""
        dims = [d for d, on in ((-2, self.flip_rows), (-1, self.flip_columns)) if on]
        flipped = x.flip(dims) if dims else x
        return flipped.transpose(-1, -2) if self.transpose else flipped

    def undo(self, x: Tensor) -> Tensor:
        """The inverse of `apply`."""
        back = x.transpose(-1, -2) if self.transpose else x
        dims = [d for d, on in ((-2, self.flip_rows), (-1, self.flip_columns)) if on]
        return back.flip(dims) if dims else back


def _turns() -> list[_Turn]:
    both = (False, True)
    return [_Turn(rows, columns, swap) for rows in both for columns in both for swap in both]


@dataclass(frozen=True)
class _View:
    """How a tile is asked for its result, which has `size`, and where in it the core lies."""

    parts: Callable[[Tensor, _Turn], Iterator[Part]]
    size: tuple[int, int]
    rows: slice
    columns: slice


def _mean(view: _View, pixels: Tensor) -> Part:
    """The mean of the results of all turns, summed up on the CPU in float32."""
    total = torch.zeros((*pixels.shape[:2], *view.size))
    for turn in _turns():
        size = view.size[::-1] if turn.transpose else view.size
        total += turn.undo(joined(arrivals(view.parts(pixels, turn)), size))
    return Part(slice(0, view.size[0]), slice(0, view.size[1]), total / 8)


def _moved(part: Part, view: _View, at: tuple[int, int]) -> Iterator[Part]:
    """A part of a tile's result, without what is not the core's, where the core lands."""
    rows, columns = _common(part.rows, view.rows), _common(part.columns, view.columns)
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    cut_rows, cut_columns = _shifted(rows, -part.rows.start), _shifted(columns, -part.columns.start)
    down, right = at[0] - view.rows.start, at[1] - view.columns.start
    pixels = part.pixels[..., cut_rows, cut_columns]
    yield Part(_shifted(rows, down), _shifted(columns, right), pixels)


def _common(a: slice, b: slice) -> slice:
    return slice(max(a.start, b.start), min(a.stop, b.stop))


def _shifted(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _fixed_view(network: Network, tile: Tile, scale: int) -> _View:
    def parts(pixels: Tensor, turn: _Turn) -> Iterator[Part]:
        return network.parts(turn.apply(pixels))

    size = tile.rows.length * scale, tile.columns.length * scale
    return _View(parts, size, _core(tile.rows, scale), _core(tile.columns, scale))


def _core(span: Span, scale: int) -> slice:
    return slice((span.core_start - span.start) * scale, (span.core_stop - span.start) * scale)


def _lte_view(network: ESCLTE, tile: Tile, canvas: Canvas) -> _View:
    """ESC-LTE is asked for the points of the core alone, in the coordinates of the tile."""
    rows, columns = canvas.out_rows(tile), canvas.out_columns(tile)
    y = _local_points(rows, tile.rows, canvas.in_size[0] / canvas.out_size[0])
    x = _local_points(columns, tile.columns, canvas.in_size[1] / canvas.out_size[1])

    def parts(pixels: Tensor, turn: _Turn) -> Iterator[Part]:
        seen = (
            y.mirrored(tile.rows.length) if turn.flip_rows else y,
            x.mirrored(tile.columns.length) if turn.flip_columns else x,
        )
        return network.parts(turn.apply(pixels), Lattice(*(seen[::-1] if turn.transpose else seen)))

    size = rows.stop - rows.start, columns.stop - columns.start
    return _View(parts, size, slice(0, size[0]), slice(0, size[1]))


def _local_points(out: slice, span: Span, step: float) -> Axis:
    """Centres of output pixels along one axis of a tile, in input pixels from its border."""
    centres = ((number + 0.5) * step for number in range(out.start, out.stop))
    return Axis(tuple(centre - span.start for centre in centres), step)
