"""The one way from a picture to its upscaled result: tiles, precision, memory, clamping."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch
from torch import Tensor

from esc_cli.engine import memory, tiling
from esc_cli.engine.layout import Layout, Room
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.precision import (
    DTYPES,
    Precision,
    attempts,
    choose_device,
    choose_precision,
)
from esc_cli.engine.prepare import ready
from esc_cli.engine.threads import available_cores
from esc_cli.engine.tile import Canvas, render
from esc_cli.engine.transfer import LEVELS, Delivery, to_float
from esc_cli.errors import DeviceMemoryError, NonFiniteError, UsageError
from esc_cli.model import Network
from esc_cli.model.stream import pinned, stream_of

DEFAULTS = EngineOptions()


@dataclass(frozen=True)
class Upscaled:
    """A result and how it came about.

    image: (..., 3, H*s, W*s), on the CPU if not asked for otherwise, clamped to [0, 1] or scaled
    to the integer type asked for. tile: the side that was used, or WHOLE. precision: the safest
    that any tile needed. notes: one sentence for each time that memory or precision forced another
    way.
    """

    image: Tensor
    tile: int
    precision: str
    notes: tuple[str, ...] = ()


@dataclass
class _Run:
    """What is settled for one picture, and what happens on the way."""

    image: Tensor  # (B, 3, H, W)
    canvas: Canvas
    result: Tensor  # (B, 3, H*s, W*s)
    check: Callable[[], None]
    store: torch.device | None = None  # of the feature maps; None is the device's own memory
    done_in: Counter[str] = field(default_factory=Counter)  # tiles by precision
    notes: list[str] = field(default_factory=list)


class Upscaler:
    """Runs a network over pictures of any size.

    Pictures are (3, H, W) or (B, 3, H, W) tensors, RGB, float in [0, 1], uint8 in 0..255 or
    uint16 in 0..65535. Image and result stay in host memory; the device holds the tile at work.
    The network given is not changed. A picture whose feature maps do not fit the device is done
    with the maps in host memory; where they do not fit either, in tiles. On running out of memory
    the same steps are taken, and the tile is halved down to one window; later pictures start from
    what worked. A tile with NaN or Inf is redone in bf16, then in fp32.
    """

    def __init__(self, network: Network, options: EngineOptions = DEFAULTS) -> None:
        self.network, self.options = network, options
        self.config = network.config
        self._networks: dict[str, Network] = {}

    def __call__(self, image: Tensor, scale: float | None = None) -> Tensor:
        """The upscaled image, float32 in [0, 1] on the CPU; see `upscale`."""
        return self.upscale(image, scale=scale).image

    def upscale(
        self,
        image: Tensor,
        *,
        scale: float | None = None,
        size: tuple[int, int] | None = None,
        dtype: torch.dtype = torch.float32,
        on_device: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> Upscaled:
        """Upscale a picture or a batch of equal size.

        scale, or size as (height, width): only for a network of any scale. dtype: float32 for
        [0, 1], uint8 or uint16 for rounded integers. check: called before each step of each
        patch, many times a second; what it raises ends the work. on_device: leave the result where
        it was computed, for what goes on there, if there is room for it.
        Raises UsageError for a tensor or a scale that does not fit, DeviceMemoryError and
        NonFiniteError when the picture cannot be done.
        """
        batch = _as_batch(image)
        if dtype != torch.float32 and dtype not in LEVELS:
            raise UsageError(f"the result can be float32, uint8 or uint16, not {dtype}")
        canvas = self._canvas(batch, scale, size)
        result = self._empty((*batch.shape[:2], *canvas.out_size), dtype, on_device)
        run = _Run(batch, canvas, result, check)
        with torch.inference_mode():
            side = self._fill(run).side
        done = run.result if image.dim() == 4 else run.result[0]
        return Upscaled(done, side, self._safest(run), tuple(run.notes))

    def _empty(self, shape: tuple[int, ...], dtype: torch.dtype, on_device: bool) -> Tensor:
        if on_device and math.prod(shape) * dtype.itemsize < memory.free_bytes(self.device) / 4:
            return torch.empty(shape, dtype=dtype, device=self.device)
        try:
            return torch.empty(shape, dtype=dtype)
        except RuntimeError as error:
            what = (
                f"the result of {shape[-1]} x {shape[-2]} does not fit the memory of this machine"
            )
            raise DeviceMemoryError(what, advice="choose a smaller scale") from error

    def _safest(self, run: _Run) -> Precision:
        """The last precision that any tile needed; notes how many left the chosen one."""
        chosen, *safer = attempts(self.precision)
        for name in safer:
            if run.done_in[name]:
                what = f"{run.done_in[name]} of {run.done_in.total()} tiles"
                run.notes.append(f"NaN or Inf in {chosen}: {what} redone in {name}")
        return next(p for p in (*safer[::-1], chosen) if run.done_in[p])

    def with_tile(self, side: int) -> Upscaler:
        """The same network where it is, with tiles of a side (or `WHOLE`) as far as they fit."""
        other = Upscaler(self.network, replace(self.options, tile=side))
        other.device, other.precision = self.device, self.precision
        other._networks = self._networks
        other._room = self._room.with_tile(side)
        return other

    def exact(self) -> Upscaler:
        """The same network where it is, in fp32 unless the options name another precision."""
        if self.options.precision not in ("auto", "fast") or self.precision == "fp32":
            return self
        other = Upscaler(self.network, replace(self.options, precision="fp32"))
        other.device, other._networks = self.device, self._networks
        return other

    def first_tile(self, height: int, width: int, batch: int = 1) -> int:
        """The tile with which pictures of a size would be begun now: its side, or `WHOLE`."""
        return self._room.first((batch, height, width)).side

    @cached_property
    def device(self) -> torch.device:
        """The device that the options mean on this machine."""
        device = choose_device(self.options.device)
        if device.type == "cpu":
            torch.set_num_threads(min(torch.get_num_threads(), available_cores()))
        return device

    @cached_property
    def precision(self) -> Precision:
        """The precision that the options mean on this machine."""
        return choose_precision(self.options.precision, self.device)

    @cached_property
    def _room(self) -> Room:
        return Room(self.config, self.options, self.device, DTYPES[self.precision].itemsize)

    def _canvas(self, batch: Tensor, scale: float | None, size: tuple[int, int] | None) -> Canvas:
        height, width = batch.shape[-2:]
        if not self.config.any_scale:
            own = self.config.scale
            if scale not in {None, own} or size not in {None, (height * own, width * own)}:
                raise UsageError(f"this network upscales by {own}, not by {scale or size}")
            return Canvas((height, width), (height * own, width * own))
        if size is not None and min(size) > 0:
            return Canvas((height, width), size)
        if scale is None or not 0 < scale < math.inf:
            raise UsageError("this network takes any scale, and needs one above 0")
        return Canvas(
            (height, width), (max(1, round(height * scale)), max(1, round(width * scale)))
        )

    def _fill(self, run: _Run) -> Layout:
        """Compute the result, with less at once each time that memory runs out."""
        batch, _, height, width = run.image.shape
        layout = self._room.first((batch, height, width))
        while (reason := self._out_of_memory(run, layout)) is not None:
            # Only here, outside the handler, are the tensors of the failed attempt gone.
            memory.release(self.device)
            layout, note = self._room.after(layout, (batch, height, width), reason)
            run.notes.append(note)
        return layout

    def _out_of_memory(self, run: _Run, layout: Layout) -> str | None:
        """Compute the result in some layout; the reason if memory ran out, else None."""
        try:
            self._fill_by_tiles(run, layout)
        except (MemoryError, RuntimeError) as error:
            if memory.is_out_of_memory(error):
                return str(error) or "out of memory"
            raise
        return None

    def _fill_by_tiles(self, run: _Run, layout: Layout) -> None:
        run.done_in.clear()
        run.store = layout.store
        height, width = run.image.shape[-2:]
        side = layout.side or max(height, width)
        overlap = tiling.usable_overlap(side, self.options.overlap, self.config.grid)
        for tile in tiling.tiles(height, width, side, overlap, self.config.grid):
            self._do_tile(run, tile)

    def _do_tile(self, run: _Run, tile: tiling.Tile) -> None:
        """Compute one tile into the result, in the first precision that holds it."""
        rows, columns = tile.rows, tile.columns
        crop = run.image[..., rows.start : rows.stop, columns.start : columns.stop]
        for name in attempts(self.precision):
            pixels = to_float(self._on_device(crop), DTYPES[name])
            delivery, network = Delivery(run.result), self._network(name, run)
            for part in render(network, pixels, tile, run.canvas, self.options.self_ensemble):
                delivery.put(part)
            if delivery.finish():
                run.done_in[name] += 1
                return
        corner = f"row {rows.start}, column {columns.start}"
        raise NonFiniteError(f"the network gives NaN or Inf in the tile at {corner}, even in fp32")

    def _on_device(self, crop: Tensor) -> Tensor:
        if crop.device.type == self.device.type:
            return crop.to(self.device)
        stream = stream_of(self.device)
        return stream.upload(pinned(crop, stream))

    def _network(self, name: Precision, run: _Run) -> Network:
        if name not in self._networks:
            self._networks[name] = ready(self.network, self.device, DTYPES[name])
        network = self._networks[name]
        network.working = replace(network.working, store=run.store, check=run.check)
        return network


def _as_batch(image: Tensor) -> Tensor:
    """(3, H, W) or (B, 3, H, W) -> (B, 3, H, W). Raises UsageError for anything else."""
    batch = image if image.dim() == 4 else image.unsqueeze(0)
    kinds = (torch.uint8, torch.uint16)
    if batch.dim() != 4 or batch.shape[1] != 3 or 0 in batch.shape:
        raise UsageError(f"expected (3, H, W) or (B, 3, H, W), got {tuple(image.shape)}")
    if not (batch.is_floating_point() or batch.dtype in kinds):
        raise UsageError(f"expected float, uint8 or uint16, got {image.dtype}")
    return batch
