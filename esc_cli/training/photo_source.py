"""HR patches, degraded as photographs are, in the threads that load them."""

from __future__ import annotations

import numpy as np
import torch

from esc_cli.training.cache import Pictures, Planes
from esc_cli.training.patches import Batch, Rounds, square, turned
from esc_cli.training.photo_degradation import degraded
from esc_cli.training.recipe import Recipe


class PhotoSource:
    """Patches of random places, flipped and turned in one of eight ways, and their LR."""

    def __init__(self, hr: Pictures, recipe: Recipe):
        self.hr, self.recipe = hr, recipe
        self.side = (recipe.data.patch + recipe.photo.context) * recipe.scale
        self.rounds = Rounds(hr, self.side, recipe.seed, self.side)

    def batch(self, step: int, places: range) -> Batch:
        """The given places of the batch of an iteration."""
        pairs = [self._patch(step * self.recipe.data.batch + place) for place in places]
        lr, hr = (torch.from_numpy(np.stack(patches)) for patches in zip(*pairs, strict=True))
        return Batch(lr, hr)

    def _patch(self, number: int) -> tuple[Planes, Planes]:
        """LR (3, p, p) and HR (3, p*s, p*s) uint8."""
        index, draw = self.rounds.draw(number)
        corner = self.rounds.corner(draw, index, self.side)
        hr = turned(square(self.hr[index], corner, self.side), int(draw.integers(8)))
        side, scale, photo = self.recipe.data.patch, self.recipe.scale, self.recipe.photo
        top, left = (int(place) for place in draw.integers(photo.context + 1, size=2))
        lr = degraded(hr.transpose(1, 2, 0), scale, photo, draw).transpose(2, 0, 1)
        large = square(hr, (top * scale, left * scale), side * scale)
        return square(lr, (top, left), side), large
