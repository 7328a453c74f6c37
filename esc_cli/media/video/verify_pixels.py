"""The colours of the written file against its source: both decoded, shrunk to a few blocks, as RGB.

Where there is opacity it is compared as well, and colour as far as it is seen.

Each file's own tags say how its samples become RGB, as they do for a player, so that samples and
tags that do not belong together show.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.video.colour_tags import (
    BT601,
    BT709,
    BT2020,
    FULL_RANGE,
    LIMITED_RANGE,
    levels,
    resolved_matrix,
)
from esc_cli.media.video.frames import Plane, RawFrame
from esc_cli.media.video.info import FrameFormat, VideoFacts
from esc_cli.media.video.reader import WHOLE, Part, Reader

FRAMES = (0, 12, 48)
"""Which frames are compared, counted from the first of the result."""
GRID = 8
"""Most blocks along a side; a network changes details, not the mean colour of a block."""
_BLOCK = 8
"""Pixels of the source along the side of a block, at least: between fewer, a network draws edges of
its own."""
SAMPLES = 256
"""Pixels along a side that are looked at."""
TOLERANCE = 0.06
"""Of [0, 1], in all but a tenth of the blocks."""
_SHARE = 0.9
_CLEARLY = 0.003
"""Of [0, 1], on the mean of all blocks; less cannot be seen."""
_ENOUGH = 16
"""Blocks by which tags are told apart; by fewer, others fit better by chance."""
_MATRICES = (BT709, BT601, BT2020)


def colour_difference(
    part: Path, found: VideoFacts, source: Path, facts: VideoFacts, wanted: Part
) -> str:
    """How the colours differ, in words; empty if they do not. `wanted`: what was done."""
    grid = _grid(facts.height), _grid(facts.width)
    pairs = zip(_chosen(part, found, WHOLE), _chosen(source, facts, wanted), strict=False)
    for number, (one, other) in zip(FRAMES, pairs, strict=False):
        mine, its = blocks(one, found.format, grid), blocks(other, facts.format, grid)
        difference = float(np.quantile(np.abs(mine - its).max(axis=2), _SHARE))
        if difference > TOLERANCE:
            return f"the colours of frame {number} differ by {100 * difference:.0f} %"
        if fitting := _better_tags(one, found.format, its, grid):
            return f"the colours of frame {number} would be right with {fitting}"
    return ""


def _grid(side: int) -> int:
    """Blocks along a side of the source: 1, 2, 4 or 8."""
    return next(count for count in (GRID, 4, 2, 1) if count == 1 or side >= count * _BLOCK)


def _better_tags(
    frame: RawFrame, form: FrameFormat, wanted: NDArray[np.float64], grid: tuple[int, int]
) -> str:
    """Other tags with which the samples are clearly nearer to what is wanted; empty for none."""
    if form.layout.kind == "rgb" or grid[0] * grid[1] < _ENOUGH:
        return ""
    own = float(np.abs(blocks(frame, form, grid) - wanted).mean())
    for matrix, full_range in product(_MATRICES, (LIMITED_RANGE, FULL_RANGE)):
        tags = replace(form.tags, matrix=matrix, full_range=full_range)
        other = float(np.abs(blocks(frame, replace(form, tags=tags), grid) - wanted).mean())
        if own > 2 * other and own - other > _CLEARLY:
            return f"the matrix {matrix} and the range {full_range}"
    return ""


def _chosen(path: Path, facts: VideoFacts, part: Part) -> Iterator[RawFrame]:
    for number, frame in enumerate(Reader(path, facts, part).frames()):
        if number in FRAMES:
            yield frame
        if number == FRAMES[-1]:
            return


def blocks(
    frame: RawFrame, form: FrameFormat, grid: tuple[int, int] = (GRID, GRID)
) -> NDArray[np.float64]:
    """(*grid, 4) mean of the blocks of a frame, in [0, 1], as a player sees it.

    RGB times the opacity, and the opacity, which is 1 where there is none.
    """
    rows, columns = (_places(side) for side in frame.planes[0].shape)
    own = form.layout
    steps = (1, 1) if own.kind == "rgb" else (own.sub_y, own.sub_x)
    colours = ((1, 1),) if own.kind == "gray" else ((1, 1), steps, steps)
    planes = [
        _read(plane, rows, columns, subsampling)
        for plane, subsampling in zip(frame.planes, (*colours, (1, 1)), strict=False)
    ]
    opacity = planes.pop() / (2**own.bits - 1) if own.alpha else np.ones_like(planes[0])
    rgb = _rgb(planes, form).clip(0, 1)  # (rows, columns, 3)
    seen = np.dstack((rgb * opacity[..., None], opacity))
    down, across = grid
    cut = seen.reshape(down, len(rows) // down, across, len(columns) // across, 4)
    return np.asarray(cut.mean(axis=(1, 3)), np.float64)


def _read(
    plane: Plane, rows: NDArray[np.int64], columns: NDArray[np.int64], steps: tuple[int, int]
) -> NDArray[np.float64]:
    """The samples at places of the luma, linear between those of chroma, which lie on the first
    column and in the middle of the rows that share one."""
    down, across = steps
    samples = _between(plane.astype(np.float64), (rows + 0.5) / down - 0.5)
    return _between(samples.T, columns / across).T


def _between(samples: NDArray[np.float64], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows at places between them; the last one where there is none."""
    places = places.clip(0, len(samples) - 1)
    low = places.astype(np.int64)
    share = (places - low)[:, None]
    return samples[low] * (1 - share) + samples[np.minimum(low + 1, len(samples) - 1)] * share


def _places(side: int) -> NDArray[np.int64]:
    """Pixels spread over a side, as many to each block; some come twice where it is short."""
    count = GRID * max(1, min(SAMPLES, side) // GRID)
    return ((np.arange(count) + 0.5) * side / count).astype(np.int64)


def _rgb(planes: list[NDArray[np.float64]], form: FrameFormat) -> NDArray[np.float64]:
    """Samples as (rows, columns, 3), by the tags."""
    if form.layout.kind == "rgb":
        green, blue, red = (plane / (2**form.layout.bits - 1) for plane in planes)
        return np.stack((red, green, blue), axis=2)
    tags = form.tags
    matrix = resolved_matrix(tags, form.width, form.height)
    own = levels(matrix, tags.full_range == FULL_RANGE, form.layout.bits)
    luma = (planes[0] - own.luma_offset) / own.luma_scale
    if form.layout.kind == "gray":
        return np.stack((luma,) * 3, axis=2)
    cb, cr = ((plane - own.chroma_offset) / own.chroma_scale for plane in planes[1:])
    red = luma + 2 * (1 - own.kr) * cr
    blue = luma + 2 * (1 - own.kb) * cb
    green = (luma - own.kr * red - own.kb * blue) / (1 - own.kr - own.kb)
    return np.stack((red, green, blue), axis=2)
