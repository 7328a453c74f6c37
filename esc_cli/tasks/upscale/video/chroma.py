"""Chroma to the size of the luma and back, for bands of rows."""

from __future__ import annotations

import torch
from torch import Tensor

from esc_cli.media.video.colour_tags import Levels
from esc_cli.media.video.pixel_formats import Layout


def upsampled(plane: Tensor, rows: slice, width: int, layout: Layout, levels: Levels) -> Tensor:
    """Samples (B, h, w) -> chroma in [-0.5, 0.5] of these rows of the luma, (B, rows, width)."""
    chroma = _rows_around(plane, rows, layout.sub_y).sub_(levels.chroma_offset)
    chroma = chroma.div_(levels.chroma_scale)
    if layout.sub_y > 1:
        chroma = _rows_between(chroma, layout.sub_y)[:, : rows.stop - rows.start]
    for _ in range(layout.sub_x // 2):  # 4:1:1 halves its columns twice
        chroma = _columns_between(chroma)
    return chroma[:, :, :width]


def _rows_around(plane: Tensor, rows: slice, down: int) -> Tensor:
    """The rows of chroma for rows of luma as floats; where they are halved, with one above and one
    below, which are those of the edge again at an edge."""
    first, last = rows.start // down, -(-rows.stop // down)
    if down == 1:
        return plane[:, first:last].float()
    inside = plane[:, max(0, first - 1) : last + 1].float()
    above = [inside[:, :1]] if first == 0 else []
    below = [inside[:, -1:]] if last == plane.shape[1] else []
    return torch.cat((*above, inside, *below), dim=1) if above or below else inside


def _rows_between(chroma: Tensor, factor: int) -> Tensor:
    """(B, n + 2, w) -> (B, factor n, w), evenly spread around each of the inner rows."""
    count, rows, width = chroma.shape
    inner = chroma[:, 1:-1]
    spread = chroma.new_empty((count, rows - 2, factor, width))
    for number in range(factor):
        distance = (number + 0.5) / factor - 0.5
        nearest = chroma[:, :-2] if distance < 0 else chroma[:, 2:]
        torch.lerp(inner, nearest, abs(distance), out=spread[:, :, number])
    return spread.flatten(1, 2)


def _columns_between(chroma: Tensor) -> Tensor:
    """(B, n, w) -> (B, n, 2 w): each column, and half way to the next, the last one twice."""
    between = torch.empty_like(chroma)
    torch.add(chroma[:, :, :-1], chroma[:, :, 1:], out=between[:, :, :-1]).mul_(0.5)
    between[:, :, -1] = chroma[:, :, -1]
    if chroma.device.type == "cpu":  # the quickest way to interleave, four times that of `stack`
        return torch.view_as_real(torch.complex(chroma, between)).flatten(2)
    return torch.stack((chroma, between), dim=3).flatten(2)


def downsampled(chroma: Tensor, layout: Layout) -> Tensor:
    """(B, rows, W) -> (B, h, w): the mean of two rows; of columns a quarter, a half, a quarter."""
    for _ in range(layout.sub_y // 2):
        if chroma.shape[1] % 2:
            chroma = torch.cat((chroma, chroma[:, -1:]), dim=1)
        chroma = (chroma[:, 0::2] + chroma[:, 1::2]).div_(2)
    for _ in range(layout.sub_x // 2):
        if chroma.shape[2] % 2:
            chroma = torch.cat((chroma, chroma[:, :, -1:]), dim=2)
        even, odd = chroma[:, :, 0::2], chroma[:, :, 1::2]
        mean = torch.add(odd, even, alpha=2)
        mean[:, :, 1:] += odd[:, :, :-1]
        mean[:, :, 0] += even[:, :, 0]
        chroma = mean.div_(4)
    return chroma
