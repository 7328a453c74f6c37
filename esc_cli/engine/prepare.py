"""A network made ready for inference on a device: the same for every command."""

from __future__ import annotations

import copy
import ctypes
import os
from functools import lru_cache
from typing import Final

import torch

from esc_cli.engine.patch_size import patch_pixels
from esc_cli.model import Network
from esc_cli.model.network import Working, prepare

MIB: Final = 1 << 20
M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
"""Numbers of glibc's malloc.h."""
KEPT: Final = 128 * MIB
"""Free memory at the heap's end that stays: more than the temporary tensors of a patch."""
LARGEST: Final = 32 * MIB
"""Tensors up to this size lie in the heap; glibc takes no more."""
USERS: Final = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


@lru_cache(maxsize=1)
def keep_freed_memory() -> bool:
    """Let the heap keep what was freed; True where that was possible and nobody chose otherwise.

    By itself glibc learns a limit from what is freed. Where that comes to lie below what is free
    between two operations, each gets new pages that the system clears first: up to twice the time.
    Maps above `LARGEST` go back to the system as ever.
    """
    if any(name in os.environ for name in USERS):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, or another system
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(M_TRIM_THRESHOLD, KEPT))


def ready(network: Network, device: torch.device, dtype: torch.dtype) -> Network:
    """A copy of a network on a device, in a number format, that runs over patches.

    What hangs on the parameters alone is computed already: they must not change afterwards. On a
    CPU, the process keeps some freed memory from here on (`keep_freed_memory`).
    """
    if device.type == "cpu":
        keep_freed_memory()
    own = copy.deepcopy(network).eval().requires_grad_(False).to(device, dtype)
    own.working = Working(patch_pixels(own.config, device))
    return prepare(own.to(memory_format=torch.channels_last))
