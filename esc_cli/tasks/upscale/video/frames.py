"""The network stage of a video: batches of frames from planes to planes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from esc_cli.engine import memory
from esc_cli.engine.precision import DTYPES
from esc_cli.media.resize import resize_lanczos
from esc_cli.media.video.colour_tags import levels, resolved_matrix
from esc_cli.media.video.frames import Plane, RawFrame
from esc_cli.media.video.info import FrameFormat
from esc_cli.tasks.upscale.transparency import FloatPixels, enlarged_apart
from esc_cli.tasks.upscale.video.colour import ColourSpace
from esc_cli.tasks.upscale.video.journal import Settled
from esc_cli.tasks.upscale.video.plan import is_full_range

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaled, Upscaler

BATCH_LIMITS = {"cpu": 4, "cuda": 8, "mps": 4}


@dataclass
class FrameUpscaler:
    """Enlarges frames of a video; after `run`, `passes` holds what the engine said."""

    source: FrameFormat
    target: FrameFormat
    upscaler: Upscaler | None
    check: Callable[[], None]
    passes: list[Upscaled] = field(default_factory=list)

    @cached_property
    def device(self) -> torch.device:
        """Where colours are converted: where the network runs."""
        return torch.device("cpu") if self.upscaler is None else self.upscaler.device

    def run(self, frames: Sequence[RawFrame]) -> list[tuple[Plane, ...]]:
        """Frames of equal size, as one batch -> their planes in the layout of the result.

        Raises the engine's errors, and what `check` raises.
        """
        self.check()
        with torch.inference_mode():
            planes = [frame.planes for frame in frames]
            rgb = self._reading.to_rgb(planes, self.device)
            if self.source.layout.alpha:
                opacity = self._reading.opacity(planes, self.device)
                if opacity.min() < 1:
                    return self._transparent(rgb, opacity)
            return self._writing.to_planes(self._enlarged(rgb).to(self.device))

    def _transparent(self, rgb: Tensor, opacity: Tensor) -> list[tuple[Plane, ...]]:
        """Frames one by one, as pictures. (B, 3, H, W), (B, H, W) -> planes.

        Hidden colour stays beside what is visible, as codecs blur it into its neighbours.
        """
        results: list[tuple[Plane, ...]] = []
        size = (self.target.width, self.target.height)
        for colour, alpha in zip(_pixels(rgb), _pixels(opacity[:, None]), strict=True):
            done = enlarged_apart(colour, alpha, size, self._of_pixels)
            shown = _tensor(np.where(done.clear, np.float32(0), done.colour)).to(self.device)
            results += self._writing.to_planes(shown, _tensor(done.opacity)[:, 0].to(self.device))
        return results

    def _of_pixels(self, pixels: FloatPixels) -> FloatPixels:
        """(H, W, 1 or 3) -> the same channels at the size of the result."""
        self.check()
        rgb = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        done = _pixels(self._enlarged(_tensor(rgb).to(self.device)))[0]
        return done if pixels.shape[2] == 3 else done.mean(axis=2, keepdims=True, dtype=np.float32)

    def _enlarged(self, rgb: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, 3, height, width) of the result, float32 in [0, 1]."""
        size = (self.target.height, self.target.width)
        if self.upscaler is not None:
            wanted = size if self.upscaler.config.any_scale else None
            done = self.upscaler.upscale(rgb, size=wanted, on_device=True, check=self.check)
            self._note(done)
            rgb = done.image
        return rgb if tuple(rgb.shape[-2:]) == size else _resized(rgb, size)

    def _note(self, done: Upscaled) -> None:
        """Keep what differs from the last batch, without the pixels."""
        plain = replace(done, image=torch.empty(0))
        last = self.passes[-1] if self.passes else None
        facts = (plain.tile, plain.precision, plain.notes)
        if last is None or (last.tile, last.precision, last.notes) != facts:
            self.passes.append(plain)

    @cached_property
    def _reading(self) -> ColourSpace:
        return self._space(self.source)

    @cached_property
    def _writing(self) -> ColourSpace:
        return self._space(self.target)

    def _space(self, form: FrameFormat) -> ColourSpace:
        """As its tags say; a matrix that they leave to the size is that of the source's size."""
        layout, tags = form.layout, form.tags
        if layout.kind == "rgb":
            return ColourSpace(layout, None)
        matrix = resolved_matrix(tags, self.source.width, self.source.height)
        return ColourSpace(layout, levels(matrix, is_full_range(tags), layout.bits))


def _pixels(frames: Tensor) -> list[FloatPixels]:
    """(B, C, H, W) -> each as (H, W, C)."""
    return [frame.permute(1, 2, 0).cpu().numpy() for frame in frames]


def _tensor(pixels: FloatPixels) -> Tensor:
    """(H, W, C) -> (1, C, H, W)."""
    return torch.from_numpy(np.array(pixels.transpose(2, 0, 1)[None], order="C"))


def _resized(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    images = _pixels(rgb)
    done = np.stack([resize_lanczos(image, (size[1], size[0])) for image in images])
    return torch.from_numpy(done).permute(0, 3, 1, 2).clamp(0, 1)  # (B, 3, height, width)


def batch_size(upscaler: Upscaler | None, source: FrameFormat) -> int:
    """Frames that fit the memory of the device at once, at least 1."""
    if upscaler is None:
        return 1
    itemsize = DTYPES[upscaler.precision].itemsize
    room = memory.pixels_that_fit(upscaler.config, upscaler.device, itemsize)
    most = BATCH_LIMITS.get(upscaler.device.type, 1)
    return max(1, min(most, room // (source.width * source.height)))


def device_name(upscaler: Upscaler) -> str:
    """The device as far as results depend on it: its type, and which GPU."""
    device = upscaler.device
    name = f" ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else ""
    return device.type + name


def reason_against(
    settled: Settled, fresh: Settled, upscaler: Upscaler | None, source: FrameFormat
) -> str:
    """Why this run cannot give what an earlier one with its settings did; empty if it can."""
    if settled.place != fresh.place:
        return f"they were made on {settled.place}, and this run is on {fresh.place}"
    is_same = (settled.tile, settled.batch) == (fresh.tile, fresh.batch)
    if upscaler is None or settled.tile is None or is_same:
        return ""
    if not _has_room(settled.batch, settled.tile, upscaler, source):
        tile = f"tile {settled.tile}" if settled.tile else "whole frames"
        return f"they were made with {tile}, for which there is no memory now"
    return ""


def _has_room(batch: int, tile: int, upscaler: Upscaler, source: FrameFormat) -> bool:
    """Whether tiles that an earlier run chose fit, if need be in all of the memory that is free.

    Without this a run that a lack of memory killed would be killed again each time.
    """
    height, width = source.height, source.width
    if upscaler.with_tile(tile).first_tile(height, width, batch) != tile:
        return False
    if upscaler.options.tile is not None:
        return True
    itemsize = DTYPES[upscaler.precision].itemsize
    planned = memory.pixels_that_fit(upscaler.config, upscaler.device, itemsize)
    side = tile or max(height, width)
    pixels = batch * min(side, height) * min(side, width)
    return pixels <= planned / memory.USABLE.get(upscaler.device.type, 0.5)
