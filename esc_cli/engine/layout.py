"""How much of a picture may be at work at once, and what follows when memory runs out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch

from esc_cli.engine import memory, tiling
from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.errors import DeviceMemoryError
from esc_cli.model.config import NetworkConfig

HOST = torch.device("cpu")
Size = tuple[int, int, int]
"""(B, H, W) of a batch."""


@dataclass(frozen=True)
class Layout:
    """Tiles of `side` input pixels, or WHOLE; `store` holds the maps, None is the device."""

    side: int
    store: torch.device | None = None


@dataclass
class Learned:
    """What running out of memory has taught."""

    largest_tile_pixels: float = math.inf
    host_maps: bool = True  # False once memory ran out with them


class Room:
    """Decides how batches are laid out on a device; remembers what ran out of memory there."""

    def __init__(
        self,
        config: NetworkConfig,
        options: EngineOptions,
        device: torch.device,
        itemsize: int,
        learned: Learned | None = None,
    ) -> None:
        self.config, self.options, self.device, self.itemsize = config, options, device, itemsize
        self._learned = learned or Learned()

    def with_tile(self, side: int) -> Room:
        """The same with another tile; what one learns the other knows."""
        options = replace(self.options, tile=side)
        return Room(self.config, options, self.device, self.itemsize, self._learned)

    def first(self, size: Size) -> Layout:
        """How to begin: the whole picture if its maps fit somewhere, else the largest tiles."""
        batch, height, width = size
        room, grid = self._pixels() / batch, self.config.grid
        if self.options.tile:
            side = tiling.usable_tile(self.options.tile, grid)
            if min(side, height) * min(side, width) <= room:
                return Layout(side)
        side = tiling.side_for(height, width, room, grid) or WHOLE
        if side == WHOLE or self.options.tile or not self._can_store(size):
            return Layout(side)
        return Layout(WHOLE, HOST)

    def after(self, tried: Layout, size: Size, reason: str) -> tuple[Layout, str]:
        """How to go on after running out of memory, and a sentence for the report.

        Raises DeviceMemoryError below one window.
        """
        if tried == Layout(WHOLE) and self._can_store(size):
            self._learned.largest_tile_pixels = math.prod(size) - 1
            what = "out of memory with the whole picture, its maps went to host memory"
            return replace(tried, store=HOST), what
        if tried.store is not None:
            self._learned.host_maps = False
        side = self._halved(tried.side, size, reason)
        was = "the whole picture" if tried.side == WHOLE else f"tile {tried.side}"
        return Layout(side), f"out of memory with {was}, went on with tile {side}"

    def _halved(self, side: int, size: Size, reason: str) -> int:
        grid = self.config.grid
        tried = side or max(size[1:])
        if tried <= grid:
            what = f"out of memory on {self.device} even with tiles of {grid}: {reason}"
            raise DeviceMemoryError(what, advice="free memory, or use --device cpu")
        smaller = tiling.usable_tile((tried - 1) // 2 if side == WHOLE else tried // 2, grid)
        self._learned.largest_tile_pixels = smaller**2 * size[0]
        return smaller

    def _pixels(self) -> float:
        """Input pixels that may be at work at once; what ran out of memory is not tried again."""
        learned = self._learned.largest_tile_pixels
        if self.options.tile is not None:
            return learned
        return min(learned, memory.pixels_that_fit(self.config, self.device, self.itemsize))

    def _can_store(self, size: Size) -> bool:
        """Whether the feature maps of the whole picture can be in host memory."""
        wanted = self.options.host_maps
        own = self.device.type == "cuda" if wanted is None else wanted
        if not (own and self._learned.host_maps):
            return False
        return memory.host_maps_fit(self.config, self.device, self.itemsize, math.prod(size))
