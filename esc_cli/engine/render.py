"""One tile through the network: the step that the `Upscaler` repeats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from esc_cli.engine.tiling import Span, Tile
from esc_cli.model import Network
from esc_cli.model.lte import ESCLTE


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
) -> Tensor:
    """What a tile delivers: pixels (B, 3, h, w) -> its core in the result, (B, 3, rows, columns).

    With `self_ensemble`, the mean over the 8 flips and quarter turns of the tile.
    """
    if isinstance(network, ESCLTE):
        step = _lte_step(network, tile, canvas)
    else:
        step = _fixed_step(network, tile)
    if not self_ensemble:
        return step(pixels, _Turn())
    return torch.stack([step(pixels, turn).float() for turn in _turns()]).mean(dim=0)


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


Step = Callable[[Tensor, _Turn], Tensor]


def _fixed_step(network: Network, tile: Tile) -> Step:
    scale = network.config.scale
    rows, columns = _core(tile.rows, scale), _core(tile.columns, scale)

    def step(pixels: Tensor, turn: _Turn) -> Tensor:
        return turn.undo(network(turn.apply(pixels)))[..., rows, columns]

    return step


def _core(span: Span, scale: int) -> slice:
    return slice((span.core_start - span.start) * scale, (span.core_stop - span.start) * scale)


def _lte_step(network: ESCLTE, tile: Tile, canvas: Canvas) -> Step:
    """Ask ESC-LTE for the points of the tile's core, in the coordinates of the tile."""
    rows, columns = canvas.out_rows(tile), canvas.out_columns(tile)
    y, cell_y = _local_points(rows, tile.rows, canvas.out_size[0] / canvas.in_size[0])
    x, cell_x = _local_points(columns, tile.columns, canvas.out_size[1] / canvas.in_size[1])
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"))  # (2, rows, columns), (y, x)

    def step(pixels: Tensor, turn: _Turn) -> Tensor:
        # A flip of the picture mirrors the axis of the points; the order of the answers stays.
        signs = torch.tensor([-1.0 if on else 1.0 for on in (turn.flip_rows, turn.flip_columns)])
        points = (grid * signs[:, None, None]).flatten(1).T  # (rows*columns, 2)
        cell = torch.tensor([cell_y, cell_x])
        if turn.transpose:
            points, cell = points.flip(-1), cell.flip(-1)
        points = points.to(pixels.device).expand(pixels.shape[0], -1, -1)
        values = network.query(turn.apply(pixels), points, cell.to(pixels.device))
        return values.transpose(1, 2).reshape(pixels.shape[0], 3, *grid.shape[1:])

    return step


def _local_points(out: slice, span: Span, scale: float) -> tuple[Tensor, float]:
    """Centres of output pixels along one axis of a tile, in [-1, 1], and the size of a pixel."""
    centres = (torch.arange(out.start, out.stop, dtype=torch.float64) + 0.5) / scale
    return (2 * (centres - span.start) / span.length - 1).float(), 2 / (scale * span.length)
