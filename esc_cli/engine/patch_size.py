"""How much of a picture a network works on at once."""

from __future__ import annotations

import torch

from esc_cli.model.config import NetworkConfig

CPU_PATCH_VALUES = 1 << 21
"""Values of the widest map of a patch on a CPU: 8 MiB in float32, see docs/performance.md."""

DEVICE_PATCH_PIXELS = 1 << 19
"""Input pixels of a patch on other devices: enough to keep one busy. Not measured."""


def patch_pixels(config: NetworkConfig, device: torch.device) -> int:
    """Input pixels that a network should work on at once."""
    if device.type == "cpu":
        return CPU_PATCH_VALUES // max(config.proj_hidden, config.hidden) * config.unshuffle**2
    return DEVICE_PATCH_PIXELS
