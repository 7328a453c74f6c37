"""Which patches an iteration sees, and their pixels.

Everything drawn at random follows from (seed, iteration, place in the batch) alone. A run that
goes on after a break, or that is spread over several processes, therefore sees the same patches.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from esc_cli.errors import UsageError
from esc_cli.training.cache import Pictures, Planes
from esc_cli.training.recipe import Data


class Batch(NamedTuple):
    """LR (B, 3, p, p) and HR (B, 3, p*s, p*s) uint8 patches of the same places."""

    lr: Tensor
    hr: Tensor


@dataclass(frozen=True)
class Share:
    """Which part of each batch this process computes."""

    rank: int = 0
    world: int = 1

    def of(self, batch: int) -> range:
        """The places in a batch, which the number of processes divides."""
        size = batch // self.world
        return range(self.rank * size, (self.rank + 1) * size)


class PatchSource:
    """Aligned LR and HR patches of random places, flipped and turned in one of eight ways.

    Every picture comes once in each round through the pictures. Those too small for a patch are
    left out; `left_out` names them. Raises UsageError when none is large enough.
    """

    def __init__(self, lr: Pictures, hr: Pictures, scale: int, data: Data, seed: int):
        self.lr, self.hr, self.scale, self.side, self.seed = lr, hr, scale, data.patch, seed
        fits = [min(e.height, e.width) >= data.patch for e in lr.entries]
        self.usable = [index for index, fit in enumerate(fits) if fit]
        self.left_out = [lr.entries[index].name for index, fit in enumerate(fits) if not fit]
        if not self.usable:
            side = data.patch * scale
            raise UsageError(f"no picture is as large as a patch, {side} x {side} pixels")

    def batch(self, step: int, size: int, places: range) -> Batch:
        """The given places of the batch of iteration `step`, which has `size` patches in all."""
        pairs = [self._patch(step * size + place) for place in places]
        lr, hr = (torch.from_numpy(np.stack(patches)) for patches in zip(*pairs, strict=True))
        return Batch(lr, hr)

    def _patch(self, number: int) -> tuple[Planes, Planes]:
        round_, place = divmod(number, len(self.usable))
        index = self.usable[shuffled(self.seed, round_, len(self.usable))[place]]
        draw = np.random.default_rng((self.seed, 1, number))
        entry, side, scale = self.lr.entries[index], self.side, self.scale
        top = int(draw.integers(entry.height - side + 1))
        left = int(draw.integers(entry.width - side + 1))
        turn = int(draw.integers(8))
        return tuple(  # type: ignore[return-value]
            turned(picture[:, s * top : s * (top + side), s * left : s * (left + side)], turn)
            for picture, s in ((self.lr[index], 1), (self.hr[index], scale))
        )


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


def pinned(batch: Batch) -> Batch:
    """The batch in memory from which a GPU copies while it computes."""
    return Batch(*(tensor.pin_memory() for tensor in batch))


def to_unit(batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
    """LR and HR on the device, float32 in [0, 1]."""
    lr, hr = (tensor.to(device, non_blocking=True).float() / 255 for tensor in batch)
    return lr, hr
