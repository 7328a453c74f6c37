"""Running a network piece by piece, with the result of running it whole.

Only three things in these networks couple distant pixels: attention, inside windows on a fixed
grid; convolutions, over a margin of a few pixels; and averages over the whole map, from which the
dynamic kernels are made. So each step of a network can run over patches of the map whose borders
lie on the windows' grid, each read with the step's margin, into a map of full size; averages are
summed up over the patches. Only the maps then grow with the picture. The working memory is bounded
by the patch, which also fits a processor's cache.

Patches are strips of full width where these are high enough, and rectangles otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.stream import Stream, stream_of

ROWS = 32
"""Patches have a multiple of so many rows, if their pixels suffice for one that is as wide.

A window of most networks, and a tile of `model.spectral`.
"""


@dataclass(frozen=True)
class Extent:
    """Positions [start, stop) of an axis with `length` positions."""

    start: int
    stop: int
    length: int

    def before(self, margin: int) -> int:
        """How much of a margin exists before `start`."""
        return min(margin, self.start)

    def after(self, margin: int) -> int:
        """How much of a margin exists after `stop`."""
        return min(margin, self.length - self.stop)

    def within(self, margin: int) -> slice:
        """The positions with their margin."""
        return slice(self.start - self.before(margin), self.stop + self.after(margin))

    def inner(self, margin: int, left: int, factor: int, length: int) -> slice:
        """Where the positions with a margin of `left` are, among `length` read with `margin`."""
        start = (self.before(margin) - self.before(left)) * factor
        return slice(start, length - (self.after(margin) - self.after(left)) * factor)

    def scaled(self, factor: int, length: int) -> slice:
        """The positions on an axis `factor` times as fine that ends at `length`."""
        return slice(self.start * factor, min(self.stop * factor, length))


@dataclass(frozen=True)
class Patch:
    """A rectangle of a map (B, C, H, W); a margin is what is read around it, if it exists."""

    rows: Extent
    columns: Extent

    def read(self, values: Tensor, margin: int = 0) -> Tensor:
        """The patch with a margin, which ends early at the border of the map."""
        return values[..., self.rows.within(margin), self.columns.within(margin)]

    def core(self, values: Tensor, margin: int, factor: int = 1) -> Tensor:
        """The patch without the margin it was read with; `factor` is how much finer it is now."""
        return self.shrunk(values, margin, 0, factor)

    def shrunk(self, values: Tensor, margin: int, left: int, factor: int = 1) -> Tensor:
        """The patch with what is `left` of the margin it was read with."""
        rows = self.rows.inner(margin, left, factor, values.shape[-2])
        return values[..., rows, self.columns.inner(margin, left, factor, values.shape[-1])]

    def with_first(self, values: Tensor, first: Tensor) -> Tensor:
        """The patch with other first channels, written into the map that it was read from."""
        values[:, : first.shape[1]] = first
        return values

    def convolve(self, values: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
        """The patch, read with a margin of half the kernel, through a zero-padded convolution.

        As cropping a padded convolution, without computing the margin.
        """
        left, right, top, bottom = self.missing(kernel.shape[-1] // 2)
        padding = top, left
        if top != bottom or left != right:
            values, padding = F.pad(values, (left, right, top, bottom)), (0, 0)
        return F.conv2d(values, kernel, padding=padding, groups=groups)

    def missing(self, margin: int) -> tuple[int, int, int, int]:
        """What of a margin lies beyond the map: (left, right, top, bottom)."""
        columns, rows = self.columns, self.rows
        return (
            margin - columns.before(margin),
            margin - columns.after(margin),
            margin - rows.before(margin),
            margin - rows.after(margin),
        )


class WholeMap(Patch):
    """The patch that is the whole map: nothing is cut, whatever the sizes, which may be symbols."""

    def read(self, values: Tensor, margin: int = 0) -> Tensor:  # noqa: ARG002 - there is none
        """The map itself."""
        return values

    def shrunk(self, values: Tensor, *_margins: int) -> Tensor:
        """The map itself."""
        return values

    def with_first(self, values: Tensor, first: Tensor) -> Tensor:
        """The map with other first channels, as a new one."""
        return torch.cat([first, values[:, first.shape[1] :]], dim=1)

    def convolve(self, values: Tensor, kernel: Tensor, groups: int = 1) -> Tensor:
        """The map through a convolution with zero padding."""
        return F.conv2d(values, kernel, padding=kernel.shape[-1] // 2, groups=groups)


def cut(height: int, width: int, grid: int, pixels: int | None) -> list[Patch]:
    """Patches of about `pixels` positions, at least one window, row by row; None is one patch.

    Strips of full width where they are then at least ROWS high, else rectangles: margins are
    computed twice, and flat strips have the most of them. Borders lie on the grid of the windows.
    A last piece is more than half a window long: padding by reflection needs as much.
    """
    if pixels is None or height * width <= pixels:
        return [WholeMap(Extent(0, height, height), Extent(0, width, width))]
    pieces = math.ceil(width * min(ROWS, height) / max(pixels, 1))
    across = max(math.ceil(width / pieces / grid) * grid, grid)
    down = max(pixels // min(across, width) // grid * grid, grid)
    if down > ROWS:
        down -= down % max(ROWS // grid * grid, grid)
    return [
        Patch(rows, columns)
        for rows in _extents(height, down, grid)
        for columns in _extents(width, across, grid)
    ]


def _extents(length: int, step: int, grid: int) -> list[Extent]:
    starts = list(range(0, length, step))
    if len(starts) > 1 and length - starts[-1] <= grid // 2:
        starts.pop()
    return [Extent(a, b, length) for a, b in zip(starts, [*starts[1:], length], strict=True)]


Step = Callable[..., "Tensor | tuple[Tensor, Tensor]"]
"""(patch, each source's values with its margin) -> the patch of the result without margins, or two
summands of it, of which the second is not needed any more."""


class Patchwork:
    """Runs the steps of one forward pass over patches, into maps that it owns and uses again.

    With a single patch each step gets the whole maps, and nothing is ever changed in place: this
    is how a network is trained. `device` computes; `store` is where the maps live, if elsewhere.
    `check` is called before each patch of each step; what it raises ends the pass.
    """

    def __init__(
        self,
        patches: list[Patch],
        device: torch.device,
        store: torch.device | None = None,
        check: Callable[[], None] = lambda: None,
    ):
        self.patches, self.device, self.store = patches, device, store or device
        self._check = check
        self._stream: Stream = stream_of(device)
        self._apart = store is not None and self._stream.apart
        self._maps: dict[str, Tensor] = {}

    def run(self, step: Step, *sources: tuple[Tensor, int], into: str) -> Tensor:
        """The map that a step makes of its sources, (map, margin) each, on equal grids.

        `into` names the map to write. It may be a source, if that is read without a margin.
        """
        if len(self.patches) == 1:
            self._check()
            part = step(self.patches[0], *(values for values, _ in sources))
            return part if isinstance(part, Tensor) else part[0] + part[1]
        size = self._size(*sources)
        for patch in self.patches:
            self._write(step(patch, *self.windows(patch, *sources)), into, patch, size)
        return self._maps[into]

    def run_keeping(
        self, count: int, step: Step, *sources: tuple[Tensor, int], into: str
    ) -> tuple[Tensor, Tensor]:
        """As `run`, and the map's first channels, which stay as they are when it is written.

        Both come from the device: what a map in host memory holds, the host does not know before
        the device's copies are done. The step gives a single tensor.
        """

        def kept(patch: Patch, *windows: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            part = step(patch, *windows)
            first = part[:, :count] if isinstance(part, Tensor) else part[0][:, :count]
            self._write(first, "first", patch, size)
            return part

        if len(self.patches) == 1:
            values = self.run(step, *sources, into=into)
            return values, values[:, :count]
        size = self._size(*sources)
        values = self.run(kept, *sources, into=into)
        return values, self._maps["first"]

    @staticmethod
    def _size(*sources: tuple[Tensor, int]) -> tuple[int, int]:
        height, width = sources[0][0].shape[-2:]
        return height, width

    def _write(
        self, part: Tensor | tuple[Tensor, Tensor], into: str, patch: Patch, size: tuple[int, int]
    ) -> None:
        like = part if isinstance(part, Tensor) else part[0]
        target = patch.read(self._map(into, like, size))
        if not isinstance(part, Tensor):
            if not self._apart and not part[1].requires_grad:
                torch.add(*part, out=target)
                return
            part = part[0] + part[1]
        if self._apart and target.is_contiguous(memory_format=torch.channels_last):
            # Whatever reads the map is another copy of the device's, behind this one.
            dense = part.contiguous(memory_format=torch.channels_last)
            self._stream.download(dense, target)
        else:
            target.copy_(part)

    def windows(self, patch: Patch, *sources: tuple[Tensor, int]) -> list[Tensor]:
        """What a step gets of its sources for a patch, on the device that computes."""
        self._check()
        windows = (patch.read(values, margin) for values, margin in sources)
        return [
            w if w.device == self.device and not self._apart else self._stream.upload(w)
            for w in windows
        ]

    def _map(self, name: str, part: Tensor, size: tuple[int, int]) -> Tensor:
        if name not in self._maps:
            self._maps[name] = self._empty_map((*part.shape[:2], *size), part.dtype)
        return self._maps[name]

    def _empty_map(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        layout = torch.channels_last
        if self._apart:
            return self._stream.host_buffer(shape, dtype, layout)
        return torch.empty(shape, dtype=dtype, device=self.store, memory_format=layout)


class Average:
    """The average of a map over its positions, from the patches of it, in float32."""

    def __init__(self) -> None:
        self._total: Tensor | None = None
        self._positions = 0

    def add(self, values: Tensor) -> None:
        """Count (B, P, h, w) in."""
        total = values.sum(dim=(2, 3), keepdim=True, dtype=torch.float32)
        self._total = total if self._total is None else self._total + total
        self._positions += values.shape[2] * values.shape[3]

    def value(self, dtype: torch.dtype) -> Tensor:
        """(B, P, 1, 1)."""
        if self._total is None:
            raise ValueError("nothing was added")
        return (self._total / self._positions).to(dtype)
