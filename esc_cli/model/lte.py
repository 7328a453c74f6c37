"""ESC+LTE: the ESC encoder with a local texture estimator (Lee and Jin, CVPR 2022) as its head.

Takes any real scale. Query points are processed in chunks, so the memory of the four-fold local
ensemble does not grow with the output.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.config import NetworkConfig
from esc_cli.model.esc import FEATURE_MARGIN, ESCEncoder
from esc_cli.model.layers import conv
from esc_cli.model.network import Network, Part, channels_last, joined
from esc_cli.model.onednn import Linear
from esc_cli.model.padding import smallest_side, widen_small
from esc_cli.model.patches import Extent, Patch
from esc_cli.model.stream import pinned, stream_of

CHUNK_POINTS = 1 << 16
NEIGHBOURS = 2
"""Input pixels beyond a patch that the points in it can look at."""
SHIFTS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
"""The four neighbours of a query point, (y, x); the opposite of number i is number 3 - i."""


class MLP(nn.Module):
    """Linear layers with ReLU between; keys `layers.0`, `layers.2`, ..."""

    def __init__(self, cin: int, hidden: tuple[int, ...], cout: int):
        super().__init__()
        layers: list[nn.Module] = []
        for width in hidden:
            layers += [Linear(cin, width), nn.ReLU()]
            cin = width
        self.layers = nn.Sequential(*layers, Linear(cin, cout))

    def forward(self, x: Tensor) -> Tensor:
        """(..., cin) -> (..., cout)."""
        out: Tensor = self.layers(x)
        return out


@dataclass(frozen=True)
class Axis:
    """Positions along one axis: ascending, in input pixels from the border, `step` apart."""

    positions: tuple[float, ...]
    step: float

    def mirrored(self, length: float) -> Axis:
        """The same positions seen from the other border of `length` input pixels."""
        return Axis(tuple(length - place for place in reversed(self.positions)), self.step)

    def local(self, extent: Extent) -> tuple[slice, Tensor, float]:
        """Those inside an extent: which, where in [-1, 1] of it with NEIGHBOURS, and the step."""
        last = extent.stop == extent.length
        start = bisect_left(self.positions, extent.start) if extent.start else 0
        stop = len(self.positions) if last else bisect_left(self.positions, extent.stop)
        near, chosen = extent.within(NEIGHBOURS), slice(start, stop)
        length = near.stop - near.start
        places = torch.tensor(self.positions[chosen], dtype=torch.float64)
        local = 2 * (places - near.start) / length - 1
        return chosen, local.float(), 2 * self.step / length


@dataclass(frozen=True)
class Lattice:
    """The points of a result: each of `rows` with each of `columns`."""

    rows: Axis
    columns: Axis


def axis(outputs: int, inputs: int) -> Axis:
    """The centres of `outputs` pixels that cover `inputs` pixels."""
    step = inputs / outputs
    return Axis(tuple((number + 0.5) * step for number in range(outputs)), step)


def _pair(y: float, x: float, device: torch.device) -> Tensor:
    """(2,), float32, written by the device itself: a copy from the host would wait for it."""
    return torch.stack([torch.full((), float(side), device=device) for side in (y, x)])


def pixel_centres(height: int, width: int, device: torch.device) -> Tensor:
    """Centres of the pixels of a picture whose sides reach from -1 to 1: (H*W, 2), (y, x)."""
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    return torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).flatten(0, 1)


def _sample(maps: Tensor, points: Tensor, mode: str) -> Tensor:
    """Values of maps (B, C, H, W) at points (B, Q, 2) in (y, x): (B, Q, C), all float32.

    Half precision could not tell neighbouring pixels of a wide map.
    """
    grid = points.flip(-1).unsqueeze(1)  # (B, 1, Q, 2) in (x, y)
    padding = "border" if mode == "bilinear" else "zeros"
    found = F.grid_sample(maps, grid, mode=mode, padding_mode=padding, align_corners=False)
    return found[:, :, 0].transpose(1, 2)


class ESCLTE(Network):
    """ESC+LTE: the output size belongs to each call, see `forward`."""

    def __init__(self, config: NetworkConfig):
        super().__init__()
        self.config = config
        self.encoder = ESCEncoder(config)
        self.coef = conv(config.dim, config.lte_hidden, 3)
        self.freq = conv(config.dim, config.lte_hidden, 3)
        self.phase = nn.Linear(2, config.lte_hidden // 2, bias=False)
        self.imnet = MLP(config.lte_hidden, config.mlp_hidden, 3)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """(B, 3, H, W) in [0, 1] -> (B, 3, *size), not clamped; size is (height, width).

        Without a size the output has the input's (a scale of 1).
        """
        height, width = size or (x.shape[-2], x.shape[-1])
        lattice = Lattice(axis(height, x.shape[-2]), axis(width, x.shape[-1]))
        return joined(self.parts(x, lattice), (height, width))

    def parts(self, x: Tensor, lattice: Lattice | None = None) -> Iterator[Part]:
        """The values on a lattice of points, as parts that cover it; None is the input's pixels."""
        points = lattice or Lattice(*(axis(side, side) for side in x.shape[-2:]))
        stream = stream_of(x.device)
        for patch, near in self._near(x):
            rows, y, cell_y = points.rows.local(patch.rows)
            columns, x_, cell_x = points.columns.local(patch.columns)
            own = [stream.upload(pinned(values, stream)) for values in (y, x_)]
            grid = torch.stack(torch.meshgrid(*own, indexing="ij"), dim=-1).flatten(0, 1)
            cell = _pair(cell_y, cell_x, x.device)
            values = self._values(near, grid.expand(x.shape[0], -1, -1), cell)
            pixels = values.transpose(1, 2).reshape(x.shape[0], 3, len(y), len(x_))
            yield Part(rows, columns, pixels.to(x.dtype))

    def query(self, x: Tensor, points: Tensor, cell: Tensor) -> Tensor:
        """Values of the upscaled picture at given points.

        x (B, 3, H, W) in [0, 1]; points (B, Q, 2) as (y, x) in [-1, 1]; cell (2,), or (B, 1, 2)
        for each picture, the size of an output pixel in the same units. Returns (B, Q, 3), not
        clamped. Works on the whole picture at once.
        """
        if self.working.pixels is not None:
            raise ValueError("points anywhere need the whole picture")
        _, near = next(self._near(x))
        return self._values(near, points.float(), cell).to(x.dtype)

    def _near(self, x: Tensor) -> Iterator[tuple[Patch, tuple[Tensor, Tensor]]]:
        """Patches, with what their values hang on: pixels in [-1, 1] and maps, with NEIGHBOURS."""
        size = x.shape[-2:]
        picture = channels_last((widen_small(x, smallest_side(self.config)) - 0.5) / 0.5)
        work = self.patchwork(picture)
        trunk = self.encoder.trunk(picture, work)
        margin = FEATURE_MARGIN + 1 + NEIGHBOURS
        for patch in work.patches:
            near, pixels = work.windows(patch, (trunk, margin), (picture, margin))
            features = self.encoder.features(near, pixels)[..., : size[0], : size[1]]
            maps = torch.cat([self.coef(features), self.freq(features)], dim=1).float()
            pixels = pixels[..., : size[0], : size[1]].float()
            local = [patch.shrunk(values, margin, NEIGHBOURS) for values in (pixels, maps)]
            yield patch, (local[0], local[1])

    def _values(self, near: tuple[Tensor, Tensor], points: Tensor, cell: Tensor) -> Tensor:
        """Values in [0, 1] at points (B, Q, 2) in the coordinates of `near`: (B, Q, 3), float32."""
        chunks = points.split(CHUNK_POINTS, dim=1)
        answers = [self._answer(*near, chunk, cell) for chunk in chunks]
        return torch.cat(answers, dim=1) * 0.5 + 0.5

    def _answer(self, x: Tensor, maps: Tensor, points: Tensor, cell: Tensor) -> Tensor:
        """The ensemble of the four neighbours plus the bilinear picture, in [-1, 1]."""
        sides = _pair(x.shape[-2], x.shape[-1], x.device)
        scale = 2 / (cell * sides)  # output pixels per input pixel, (y, x)
        rel_cell = cell * (scale.amax(-1, keepdim=True) / 4).clamp(min=1) * sides
        phase = self.phase(rel_cell.to(self.phase.weight.dtype)).float()
        answers, areas = [], []
        for shift in SHIFTS:
            near = points + _pair(*shift, x.device) / sides + 1e-6
            rel, values = self._neighbour(maps, points, near.clamp(-1 + 1e-6, 1 - 1e-6))
            answers.append(self._texture(values, rel, phase))
            areas.append(rel.prod(dim=-1).abs() + 1e-9)
        weights = torch.stack(areas[::-1]) / torch.stack(areas).sum(dim=0)  # (4, B, Q)
        blended = (torch.stack(answers) * weights.unsqueeze(-1)).sum(dim=0)
        return blended + _sample(x, points, "bilinear")

    def _neighbour(self, maps: Tensor, points: Tensor, near: Tensor) -> tuple[Tensor, Tensor]:
        """Offset of the points from the nearest feature, in features, and its coef and freq."""
        sides = _pair(maps.shape[-2], maps.shape[-1], maps.device)
        index = ((near + 1) * sides / 2 - 0.5).round()  # as grid_sample's nearest
        centre = (2 * index + 1) / sides - 1
        return (points - centre) * sides, _sample(maps, near, "nearest")

    def _texture(self, values: Tensor, rel: Tensor, phase: Tensor) -> Tensor:
        coef, freq = values.chunk(2, dim=-1)  # (B, Q, hidden) each
        rows, columns = freq.unflatten(-1, (-1, 2)).unbind(-1)  # (B, Q, hidden / 2) each
        angle = math.pi * (rows * rel[..., :1] + columns * rel[..., 1:] + phase)
        basis = coef * torch.cat([angle.cos(), angle.sin()], dim=-1)
        out: Tensor = self.imnet(basis.to(self.phase.weight.dtype)).float()
        return out
