"""A network made ready for inference on a device: the same for every command."""

from __future__ import annotations

import copy

import torch

from esc_cli.engine.heap import keep_freed_memory
from esc_cli.engine.memory import patch_pixels
from esc_cli.model import Network
from esc_cli.model.network import Working, prepare


def ready(network: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """A copy of a network on a device, in a number format, that runs over patches.

    What hangs on the parameters alone is computed already: they must not change afterwards. On a
    CPU, the process keeps some freed memory from here on (`engine.heap`).
    """
    if device.type == "cpu":
        keep_freed_memory()
    own = copy.deepcopy(network).eval().requires_grad_(False).to(device, dtype)
    own.working = Working(patch_pixels(own.config, device))
    return prepare(own.to(memory_format=torch.channels_last))
