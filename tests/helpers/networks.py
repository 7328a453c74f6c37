"""A network that costs next to nothing, for tests of what happens around it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from safetensors.torch import save_file

from esc_cli.model import from_config
from esc_cli.model.config import VARIANTS


@cache
def small_checkpoint(scale: int = 2) -> str:
    """The file of a small ESC with seeded parameters: it repeats each pixel, and adds a little."""
    folder = Path(tempfile.mkdtemp(prefix="esc-network-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sides = {"dim": 8, "pdim": 4, "kernel": 3, "heads": 2, "hidden": 8, "proj_hidden": 8}
    config = replace(VARIANTS["esc"], **sides, n_blocks=1, conv_blocks=1, window=8, scale=scale)
    torch.manual_seed(0)
    state = from_config(config).state_dict()
    state["to_img.weight"] *= 0.05
    state["to_img.bias"].zero_()
    path = folder / f"small_x{scale}.safetensors"
    save_file({name: value.contiguous() for name, value in state.items()}, path)
    return str(path)
