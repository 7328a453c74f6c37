"""What every network of this package promises."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from esc_cli.model.attention import WindowAttention
from esc_cli.model.body import SharedKernel
from esc_cli.model.config import NetworkConfig
from esc_cli.model.onednn import Prepared
from esc_cli.model.padding import reflect_to_multiple, smallest_side, widen_small
from esc_cli.model.patches import Patch, Patchwork, cut


@dataclass(frozen=True)
class Working:
    """How much of a picture is at work at once; the result does not depend on it.

    pixels: input pixels of a patch, at least one attention window; None is the whole picture, the
    only way that can be trained. store: where maps of full size live; None is the picture's device.
    check: called before each patch of each step; what it raises ends the work.
    """

    pixels: int | None = None
    store: torch.device | None = None
    check: Callable[[], None] = lambda: None


WHOLE_PICTURE = Working()


@dataclass(frozen=True)
class Part:
    """A rectangle of the result: its place in it, and its pixels (B, 3, rows, columns)."""

    rows: slice
    columns: slice
    pixels: Tensor


class Network(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] -> (B, 3, H*s, W*s), float, not clamped.

    H and W are any size from 1 up, B any size; the network pads and crops by itself and never
    changes its input. Each image of a batch gets the result that it would get alone.
    """

    config: NetworkConfig
    working: Working = WHOLE_PICTURE

    def forward(self, x: Tensor) -> Tensor:
        """Upscale by `config.scale`, as much at once as `working` says."""
        return joined(
            self.parts(x), (x.shape[-2] * self.config.scale, x.shape[-1] * self.config.scale)
        )

    def parts(self, x: Tensor) -> Iterator[Part]:
        """The result of `forward` as parts that cover it; a single one for the whole picture."""
        scale, unshuffle = self.config.scale, self.config.unshuffle
        height, width = x.shape[-2] * scale, x.shape[-1] * scale
        picture = reflect_to_multiple(widen_small(x, smallest_side(self.config)), unshuffle)
        if unshuffle > 1:
            picture = F.pixel_unshuffle(picture, unshuffle)
        work = self.patchwork(picture)
        factor = scale * unshuffle
        for patch, out in self.upscale(channels_last(picture), work):
            rows = patch.rows.scaled(factor, height)
            columns = patch.columns.scaled(factor, width)
            crop = out[..., : rows.stop - rows.start, : columns.stop - columns.start]
            yield Part(rows, columns, crop)

    def patchwork(self, picture: Tensor) -> Patchwork:
        """The runner of one forward pass over a picture as the first convolution sees it."""
        patches = self.patches(picture.shape[-2], picture.shape[-1])
        return Patchwork(patches, picture.device, self.working.store, self.working.check)

    def patches(self, height: int, width: int) -> list[Patch]:
        """How `working` cuts a map of a size, in pixels as the first convolution sees them."""
        pixels = self.working.pixels and self.working.pixels // self.config.unshuffle**2
        return cut(height, width, self.config.window, pixels)

    def upscale(self, picture: Tensor, work: Patchwork) -> Iterator[tuple[Patch, Tensor]]:
        """The patches of a picture, widened and unshuffled as need be, and what becomes of them."""
        raise NotImplementedError


def joined(parts: Iterator[Part], size: tuple[int, int]) -> Tensor:
    """The result (B, 3, *size) of which all parts are given."""
    first = next(parts)
    if tuple(first.pixels.shape[-2:]) == size:
        return first.pixels
    out = first.pixels.new_empty((*first.pixels.shape[:2], *size))
    for part in chain([first], parts):
        out[..., part.rows, part.columns] = part.pixels
    return out


def prepare(network: Network) -> Network:
    """Compute once what hangs on the parameters alone; they must not change afterwards."""
    for module in network.modules():
        if isinstance(module, (WindowAttention, SharedKernel, Prepared)):
            module.prepare()
    return network


def channels_last(x: Tensor) -> Tensor:
    """The same values with the channels of a pixel side by side, which 1x1 convolutions like."""
    return x.contiguous(memory_format=torch.channels_last)
