"""Frames of planes <-> RGB tensors, on the device, with the source's own matrix and range.

On a processor both go band by band, so that what one step leaves is in a cache for the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from esc_cli.media.video.colour_tags import Levels
from esc_cli.media.video.frames import Plane
from esc_cli.media.video.pixel_formats import Layout
from esc_cli.model.stream import pinned, stream_of
from esc_cli.tasks.upscale.video.chroma import downsampled, upsampled

BAND_PIXELS = 1 << 17
"""Of one band: half a megabyte for each plane of floats."""


@dataclass(frozen=True)
class ColourSpace:
    """How the planes of a layout become RGB and back. `levels` is None for RGB layouts.

    Opacity has all levels, whatever the range of the colours.

    Chroma that is subsampled along an axis is read between luma samples (linear, two samples)
    and written as their mean. Its place is that of H.264's default: on the even columns, half
    way between the rows.
    """

    layout: Layout
    levels: Levels | None

    def to_rgb(self, frames: Sequence[tuple[Plane, ...]], device: torch.device) -> Tensor:
        """Frames of equal size -> (B, 3, H, W) float32 RGB in [0, 1] on `device`."""
        colours = len(frames[0]) - self.layout.alpha
        planes = [_stack([frame[i] for frame in frames], device) for i in range(colours)]
        count, height, width = planes[0].shape
        rgb = torch.empty((count, 3, height, width), dtype=torch.float32, device=device)
        for rows in _bands(rgb):
            self._read(planes, rows, rgb[:, :, rows])
        return rgb

    def _read(self, planes: Sequence[Tensor], rows: slice, rgb: Tensor) -> None:
        """A band of planes -> (B, 3, rows, W)."""
        if self.layout.kind == "rgb":
            for plane, channel in zip(planes, (1, 2, 0), strict=True):
                torch.div(plane[:, rows].float(), self._top, out=rgb[:, channel])
            return
        levels = _known(self.levels)
        luma = planes[0][:, rows].float().sub_(levels.luma_offset).div_(levels.luma_scale)
        if self.layout.kind == "gray":
            rgb.copy_(luma[:, None].expand_as(rgb)).clamp_(0, 1)
            return
        cb, cr = (
            upsampled(plane, rows, luma.shape[2], self.layout, levels) for plane in planes[1:]
        )
        _fill_rgb(rgb, luma, cb, cr, levels)

    def opacity(self, frames: Sequence[tuple[Plane, ...]], device: torch.device) -> Tensor:
        """The last plane of frames -> (B, H, W) float32 in [0, 1] on `device`."""
        return _stack([frame[-1] for frame in frames], device).float().div_(self._top)

    def to_planes(self, rgb: Tensor, opacity: Tensor | None = None) -> list[tuple[Plane, ...]]:
        """(B, 3, H, W) float RGB in [0, 1] -> frames in this layout, rounded to its levels.

        opacity: (B, H, W), for layouts that have it; None for opaque frames.
        """
        count, _, height, width = rgb.shape
        dtype = torch.uint8 if self.layout.bytes_per_sample == 1 else torch.uint16
        planes = [
            torch.empty((count, *size), dtype=dtype, device=rgb.device)
            for size in self.layout.plane_sizes(width, height)
        ]
        colours = planes[:-1] if self.layout.alpha else planes
        for rows in _bands(rgb):
            down = self.layout.sub_y
            small = slice(rows.start // down, -(-rows.stop // down))
            targets = [plane[:, small if i else rows] for i, plane in enumerate(colours)]
            self._write(rgb[:, :, rows], targets)
        if self.layout.alpha:
            full = torch.ones_like(rgb[:, 0]) if opacity is None else opacity
            _round_into(planes[-1], full * self._top, self._top)
        return _frames(planes)

    @property
    def _top(self) -> int:
        return int(2**self.layout.bits - 1)

    def _write(self, rgb: Tensor, planes: Sequence[Tensor]) -> None:
        """(B, 3, rows, W) -> a band of planes."""
        if self.layout.kind == "rgb":
            for plane, channel in zip(planes, (1, 2, 0), strict=True):
                _round_into(plane, rgb[:, channel] * self._top, self._top)
            return
        levels = _known(self.levels)
        red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]  # (B, rows, W)
        luma = (red * levels.kr).add_(green, alpha=1 - levels.kr - levels.kb)
        luma.add_(blue, alpha=levels.kb)
        scaled = (luma * levels.luma_scale).add_(levels.luma_offset)
        _round_into(planes[0], scaled, levels.maximum)
        if self.layout.kind != "yuv":
            return
        for plane, colour, weight in zip(
            planes[1:], (blue, red), (levels.kb, levels.kr), strict=True
        ):
            chroma = downsampled(torch.sub(colour, luma, out=scaled), self.layout)
            chroma = chroma * (levels.chroma_scale / (2 * (1 - weight)))
            _round_into(plane, chroma.add_(levels.chroma_offset), levels.maximum)


def _bands(rgb: Tensor) -> Iterator[slice]:
    """Rows of (B, 3, H, W), fours of them in all but the last; all at once on a GPU."""
    count, _, height, width = rgb.shape
    step = 4 * max(1, BAND_PIXELS // (4 * count * width)) if rgb.device.type == "cpu" else height
    return (slice(at, min(at + step, height)) for at in range(0, height, max(1, step)))


def _known(levels: Levels | None) -> Levels:
    if levels is None:
        raise ValueError("YUV and grey need levels")
    return levels


def _stack(planes: Sequence[Plane], device: torch.device) -> Tensor:
    """Planes -> (B, rows, columns) on the device; the integers travel, not the floats."""
    stream = stream_of(device)
    return stream.upload(pinned(torch.from_numpy(np.stack(planes)), stream))


def _fill_rgb(rgb: Tensor, luma: Tensor, cb: Tensor, cr: Tensor, levels: Levels) -> None:
    """ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance): the inverse of their matrices."""
    kr, kb = levels.kr, levels.kb
    kg = 1 - kr - kb
    torch.add(luma, cr, alpha=2 * (1 - kr), out=rgb[:, 0])
    torch.add(luma, cb, alpha=2 * (1 - kb), out=rgb[:, 2])
    torch.add(luma, cr, alpha=-2 * kr * (1 - kr) / kg, out=rgb[:, 1])
    rgb[:, 1].add_(cb, alpha=-2 * kb * (1 - kb) / kg)
    rgb.clamp_(0, 1)


def _round_into(plane: Tensor, values: Tensor, maximum: int) -> None:
    plane.copy_(values.round_().clamp_(0, maximum))


def _frames(planes: Sequence[Tensor]) -> list[tuple[Plane, ...]]:
    """Planes of (B, rows, columns) -> for each frame its planes, on the host."""
    arrays = [plane.cpu().numpy() for plane in planes]
    return [tuple(array[number] for array in arrays) for number in range(len(arrays[0]))]
