"""Patches for a network of any scale: each at its own, compared at sampled query points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from esc_cli.engine.imresize import imresize, rounded
from esc_cli.errors import UsageError
from esc_cli.model.lte import ESCLTE, pixel_centres
from esc_cli.training.cache import Pictures
from esc_cli.training.learner import Learner, Losses
from esc_cli.training.patches import Rounds, square, to_unit, turned
from esc_cli.training.recipe import Recipe


class PointBatch(NamedTuple):
    """LR (B, 3, p, p) uint8; the colours (B, Q, 3) uint8 that HR has at points (B, Q, 2), (y, x)
    in [-1, 1]; cell (B, 1, 2), the size of an HR pixel in the same units."""

    lr: Tensor
    points: Tensor
    cell: Tensor
    colours: Tensor


class PointSource:
    """Patches of random places and scales; LR is the whole HR square made smaller by bicubic."""

    def __init__(self, hr: Pictures, recipe: Recipe):
        self.hr, self.data, self.points = hr, recipe.data, recipe.points
        largest = round(recipe.data.patch * recipe.points.scales[1])
        self.rounds = Rounds(hr, largest, recipe.seed, largest)

    def batch(self, step: int, places: range) -> PointBatch:
        """The given places of the batch of an iteration."""
        parts = [self._patch(step * self.data.batch + place) for place in places]
        return PointBatch(*(torch.stack(tensors) for tensors in zip(*parts, strict=True)))

    def _patch(self, number: int) -> PointBatch:
        index, draw = self.rounds.draw(number)
        patch = self.data.patch
        side = round(patch * draw.uniform(*self.points.scales))
        corner = self.rounds.corner(draw, index, side)
        planes = turned(square(self.hr[index], corner, side), int(draw.integers(8)))
        hr = torch.from_numpy(np.array(planes))
        lr = rounded(imresize(hr.double() / 255, (patch, patch)))
        count = min(self.points.count, patch**2)  # no more than the smallest HR has
        chosen = torch.from_numpy(draw.permutation(side**2)[:count])
        points = pixel_centres(side, side, torch.device("cpu"))[chosen]
        cell = torch.full((1, 2), 2 / side)
        return PointBatch(lr, points, cell, hr.flatten(1)[:, chosen].T)


class Queried(nn.Module):
    """The network as a function of query points."""

    def __init__(self, network: ESCLTE):
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor, points: Tensor, cell: Tensor) -> Tensor:
        """See `ESCLTE.query`."""
        return self.network.query(lr, points, cell)


class PointLearner(Learner[PointBatch]):
    """Minimises the pixel loss at the query points."""

    def called(self) -> nn.Module:
        """The network as it is called."""
        if not isinstance(self.network, ESCLTE):
            raise UsageError(f"{self.recipe.variant} has no query points")
        return Queried(self.network)

    def losses(self, batch: PointBatch) -> Losses:
        """The scalars of a batch, "loss" among them."""
        lr, colours = to_unit(batch.lr, self.device), to_unit(batch.colours, self.device)
        points = batch.points.to(self.device, non_blocking=True)
        cell = batch.cell.to(self.device, non_blocking=True)
        with self.autocast():
            found = self.model(lr, points, cell)
        return {"loss": self.pixel_loss(found.float(), colours)}
