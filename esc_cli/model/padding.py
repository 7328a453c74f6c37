"""The one place that decides what lies beyond the border of a map."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from esc_cli.model.config import NetworkConfig


def reflect_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """Pad (B, C, H, W) on the right and bottom by reflection, to sides divisible by `multiple`.

    Reflection needs a pad smaller than the side: `widen_small` has seen to that.
    """
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not bottom and not right:
        return x
    return F.pad(x, (0, right, 0, bottom), mode="reflect")


def smallest_side(config: NetworkConfig) -> int:
    """The least side, in input pixels, for which every reflection inside the network exists.

    A side n of a map is padded to the window w by -n mod w < n, true from n = w // 2 + 1 on; the
    7x7 convolution of ESC-Real reflects 3 pixels, so it needs 4.
    """
    return max(config.window // 2 + 1, 4) * config.unshuffle


def widen_small(x: Tensor, side: int) -> Tensor:
    """Pad a picture (B, 3, H, W) smaller than `side` on the right and bottom by replication."""
    bottom, right = max(0, side - x.shape[-2]), max(0, side - x.shape[-1])
    if not bottom and not right:
        return x
    return F.pad(x, (0, right, 0, bottom), mode="replicate")
