"""HR patches and their draws; the degradation itself is computed on the device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from esc_cli.training.cache import Pictures
from esc_cli.training.degradation import degraded, sharpened
from esc_cli.training.degradation_draws import Draw, draw_degradation
from esc_cli.training.patches import Pairs, Rounds, square, to_unit, turned
from esc_cli.training.recipe import Recipe


class RealBatch(NamedTuple):
    """HR (B, 3, S, S) uint8 with its context, and what becomes of each patch."""

    hr: Tensor
    draws: tuple[Draw, ...]
    recipe: Recipe

    @torch.no_grad()
    def pairs(self, device: torch.device) -> Pairs:
        """Degrade each patch and cut off the context."""
        hr = to_unit(self.hr, device)
        target = sharpened(hr) if self.recipe.real.sharpen else hr
        side, scale = self.recipe.data.patch, self.recipe.scale
        lrs, targets, hrs = [], [], []
        for index, draw in enumerate(self.draws):
            lr = degraded(target[index : index + 1], draw, scale)[0]
            (top, left), large = draw.corner, side * scale
            rows, columns = slice(top, top + side), slice(left, left + side)
            lrs.append(lr[:, rows, columns])
            rows = slice(top * scale, top * scale + large)
            columns = slice(left * scale, left * scale + large)
            targets.append(target[index, :, rows, columns])
            hrs.append(hr[index, :, rows, columns])
        return Pairs(torch.stack(lrs), torch.stack(targets), torch.stack(hrs))


class RealSource:
    """HR patches of random places, flipped and turned in one of eight ways, with their draws."""

    def __init__(self, hr: Pictures, recipe: Recipe):
        self.hr, self.recipe = hr, recipe
        self.side = (recipe.data.patch + recipe.real.context) * recipe.scale
        self.rounds = Rounds(hr, self.side, recipe.seed, self.side)

    def batch(self, step: int, places: range) -> RealBatch:
        """The given places of the batch of an iteration."""
        parts = [self._patch(step * self.recipe.data.batch + place) for place in places]
        hr = torch.from_numpy(np.stack([planes for planes, _ in parts]))
        return RealBatch(hr, tuple(draw for _, draw in parts), self.recipe)

    def _patch(self, number: int) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], Draw]:
        index, draw = self.rounds.draw(number)
        corner = self.rounds.corner(draw, index, self.side)
        planes = turned(square(self.hr[index], corner, self.side), int(draw.integers(8)))
        return planes, draw_degradation(draw, self.recipe.real)
