"""Which patches an iteration sees, and their pixels.

Everything drawn at random follows from (seed, iteration, place in the batch) alone. A run that
goes on after a break, or that is spread over several processes, therefore sees the same patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from esc_cli.errors import UsageError
from esc_cli.training.cache import Pictures, Planes
from esc_cli.training.recipe import Recipe


class Pairs(NamedTuple):
    """What a network gets and what it is compared with, float32 in [0, 1] on the device.

    LR (B, 3, p, p); target and HR (B, 3, p*s, p*s), which differ when the target is sharpened.
    """

    lr: Tensor
    target: Tensor
    hr: Tensor


class PairBatch(Protocol):
    """A batch that becomes pairs on a device."""

    def pairs(self, device: torch.device) -> Pairs:
        """The pairs, with whatever the device computes for them."""


class Batch(NamedTuple):
    """LR (B, 3, p, p) and HR (B, 3, p*s, p*s) uint8 patches of the same places."""

    lr: Tensor
    hr: Tensor

    def pairs(self, device: torch.device) -> Pairs:
        """The pairs; the target is HR."""
        hr = to_unit(self.hr, device)
        return Pairs(to_unit(self.lr, device), hr, hr)


@dataclass(frozen=True)
class Share:
    """Which part of each batch this process computes."""

    rank: int = 0
    world: int = 1

    def of(self, batch: int) -> range:
        """The places in a batch, which the number of processes divides."""
        size = batch // self.world
        return range(self.rank * size, (self.rank + 1) * size)


class Rounds:
    """Which picture each patch comes from: every usable one once in each round through them.

    Those with a side below `smallest` are left out; `left_out` names them. Raises UsageError when
    none is large enough; `side` is the patch's in HR pixels, for the message.
    """

    def __init__(self, pictures: Pictures, smallest: int, seed: int, side: int):
        self.pictures, self.seed = pictures, seed
        fits = [min(e.height, e.width) >= smallest for e in pictures.entries]
        self.usable = [index for index, fit in enumerate(fits) if fit]
        self.left_out = [pictures.entries[i].name for i, fit in enumerate(fits) if not fit]
        if not self.usable:
            raise UsageError(f"no picture is as large as a patch, {side} x {side} pixels")

    def draw(self, number: int) -> tuple[int, np.random.Generator]:
        """The picture of a patch, and the generator for all else that is drawn for it."""
        round_, place = divmod(number, len(self.usable))
        index = self.usable[shuffled(self.seed, round_, len(self.usable))[place]]
        return index, np.random.default_rng((self.seed, 1, number))

    def corner(self, draw: np.random.Generator, index: int, side: int) -> tuple[int, int]:
        """Row and column of a random square of a picture."""
        entry = self.pictures.entries[index]
        return int(draw.integers(entry.height - side + 1)), int(
            draw.integers(entry.width - side + 1)
        )


class PatchSource:
    """Aligned LR and HR patches of random places, flipped and turned in one of eight ways."""

    def __init__(self, lr: Pictures, hr: Pictures, recipe: Recipe):
        self.lr, self.hr, self.scale, self.data = lr, hr, recipe.scale, recipe.data
        side = recipe.data.patch
        self.rounds = Rounds(lr, side, recipe.seed, side * recipe.scale)

    def batch(self, step: int, places: range) -> Batch:
        """The given places of the batch of an iteration."""
        pairs = [self._patch(step * self.data.batch + place) for place in places]
        lr, hr = (torch.from_numpy(np.stack(patches)) for patches in zip(*pairs, strict=True))
        return Batch(lr, hr)

    def _patch(self, number: int) -> tuple[Planes, Planes]:
        index, draw = self.rounds.draw(number)
        top, left = self.rounds.corner(draw, index, self.data.patch)
        turn = int(draw.integers(8))
        lr = square(self.lr[index], (top, left), self.data.patch)
        corner = (top * self.scale, left * self.scale)
        hr = square(self.hr[index], corner, self.data.patch * self.scale)
        return turned(lr, turn), turned(hr, turn)


def square(planes: Planes, corner: tuple[int, int], side: int) -> Planes:
    """The square of a picture (C, H, W) that begins at a corner (row, column); a view."""
    top, left = corner
    return planes[:, top : top + side, left : left + side]


@lru_cache(maxsize=4)
def shuffled(seed: int, round_: int, count: int) -> tuple[int, ...]:
    """The order of a round."""
    order = np.random.default_rng((seed, 0, round_)).permutation(count)
    return tuple(int(index) for index in order)


def turned(planes: Planes, turn: int) -> Planes:
    """One of the eight flips and quarter turns of (C, H, W), by the bits of `turn`; a view."""
    if turn & 1:
        planes = planes[:, :, ::-1]
    if turn & 2:
        planes = planes[:, ::-1]
    return planes.transpose(0, 2, 1) if turn & 4 else planes


def to_unit(pixels: Tensor, device: torch.device) -> Tensor:
    """uint8 pixels on the device, as float32 in [0, 1]."""
    return pixels.to(device, non_blocking=True).float() / 255
