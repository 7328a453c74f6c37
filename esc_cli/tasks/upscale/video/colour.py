"""Frames of planes <-> RGB tensors, on the device, with the source's own matrix and range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from esc_cli.media.video.colour_tags import Levels
from esc_cli.media.video.frames import Plane
from esc_cli.media.video.pixel_formats import Layout


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
        count = len(frames[0]) - self.layout.alpha
        planes = [_stack([frame[i] for frame in frames], device) for i in range(count)]
        if self.layout.kind == "rgb":
            green, blue, red = (plane / self._top for plane in planes)
            return torch.stack((red, green, blue), dim=1)  # (B, 3, H, W)
        levels = _known(self.levels)
        luma = (planes[0] - levels.luma_offset) / levels.luma_scale  # (B, H, W)
        if self.layout.kind == "gray":
            return torch.stack((luma, luma, luma), dim=1).clamp(0, 1)
        size = (luma.shape[1], luma.shape[2])
        cb, cr = (
            self._upsampled((plane - levels.chroma_offset) / levels.chroma_scale, size)
            for plane in planes[1:]
        )
        return _rgb(luma, cb, cr, levels)

    def opacity(self, frames: Sequence[tuple[Plane, ...]], device: torch.device) -> Tensor:
        """The last plane of frames -> (B, H, W) float32 in [0, 1] on `device`."""
        return _stack([frame[-1] for frame in frames], device) / self._top

    def to_planes(self, rgb: Tensor, opacity: Tensor | None = None) -> list[tuple[Plane, ...]]:
        """(B, 3, H, W) float RGB in [0, 1] -> frames in this layout, rounded to its levels.

        opacity: (B, H, W), for layouts that have it; None for opaque frames.
        """
        planes = self._colours(rgb)
        if self.layout.alpha:
            full = torch.ones_like(rgb[:, 0]) if opacity is None else opacity
            planes.append(self._rounded(full * self._top, self._top))
        return _frames(planes)

    @property
    def _top(self) -> int:
        return int(2**self.layout.bits - 1)

    def _colours(self, rgb: Tensor) -> list[Tensor]:
        if self.layout.kind == "rgb":
            return [self._rounded(rgb[:, c] * self._top, self._top) for c in (1, 2, 0)]
        levels = _known(self.levels)
        red, green, blue = rgb[:, 0], rgb[:, 1], rgb[:, 2]  # (B, H, W)
        luma = levels.kr * red + (1 - levels.kr - levels.kb) * green + levels.kb * blue
        scaled = luma * levels.luma_scale + levels.luma_offset
        planes = [self._rounded(scaled, levels.maximum)]
        if self.layout.kind == "yuv":
            cb = (blue - luma) / (2 * (1 - levels.kb))
            cr = (red - luma) / (2 * (1 - levels.kr))
            for chroma in (cb, cr):
                small = self._downsampled(chroma) * levels.chroma_scale + levels.chroma_offset
                planes.append(self._rounded(small, levels.maximum))
        return planes

    def _rounded(self, plane: Tensor, maximum: int) -> Tensor:
        dtype = torch.uint8 if self.layout.bytes_per_sample == 1 else torch.uint16
        return plane.round().clamp(0, maximum).to(dtype)

    def _upsampled(self, chroma: Tensor, size: tuple[int, int]) -> Tensor:
        """(B, h, w) -> (B, H, W)."""
        height, width = size
        if self.layout.sub_y > 1:
            rows = F.interpolate(
                chroma[:, None],
                scale_factor=(float(self.layout.sub_y), 1.0),
                mode="bilinear",
                align_corners=False,
            )
            chroma = rows[:, 0, :height]
        for _ in range(self.layout.sub_x // 2):  # 4:1:1 halves its columns twice
            following = torch.cat((chroma[:, :, 1:], chroma[:, :, -1:]), dim=2)
            between = (chroma + following) / 2
            chroma = torch.stack((chroma, between), dim=3).flatten(2)
        return chroma[:, :, :width]

    def _downsampled(self, chroma: Tensor) -> Tensor:
        """(B, H, W) -> (B, h, w)."""
        for _ in range(self.layout.sub_y // 2):
            if chroma.shape[1] % 2:
                chroma = torch.cat((chroma, chroma[:, -1:]), dim=1)
            chroma = (chroma[:, 0::2] + chroma[:, 1::2]) / 2
        for _ in range(self.layout.sub_x // 2):
            if chroma.shape[2] % 2:
                chroma = torch.cat((chroma, chroma[:, :, -1:]), dim=2)
            even, odd = chroma[:, :, 0::2], chroma[:, :, 1::2]
            before = torch.cat((even[:, :, :1], odd[:, :, :-1]), dim=2)
            chroma = (before + 2 * even + odd) / 4
        return chroma


def _known(levels: Levels | None) -> Levels:
    if levels is None:
        raise ValueError("YUV and grey need levels")
    return levels


def _stack(planes: Sequence[Plane], device: torch.device) -> Tensor:
    """Planes -> (B, rows, columns) float32 on the device; the integers travel, not the floats."""
    return torch.from_numpy(np.stack(planes)).to(device).float()


def _rgb(luma: Tensor, cb: Tensor, cr: Tensor, levels: Levels) -> Tensor:
    """ITU-R BT.601, BT.709 and BT.2020 (non-constant luminance): the inverse of their matrices."""
    red = luma + 2 * (1 - levels.kr) * cr
    blue = luma + 2 * (1 - levels.kb) * cb
    green = (luma - levels.kr * red - levels.kb * blue) / (1 - levels.kr - levels.kb)
    return torch.stack((red, green, blue), dim=1).clamp(0, 1)  # (B, 3, H, W)


def _frames(planes: Sequence[Tensor]) -> list[tuple[Plane, ...]]:
    """Planes of (B, rows, columns) -> for each frame its planes, on the host."""
    arrays = [plane.cpu().numpy() for plane in planes]
    return [tuple(array[number] for array in arrays) for number in range(len(arrays[0]))]
