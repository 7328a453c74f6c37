"""The network that a run begins with: fresh, or from existing weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from esc_cli.checkpoints.loading import network_from_state, read_state
from esc_cli.checkpoints.store import Checkpoint, find
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig, variant_config, variant_name
from esc_cli.model.convert import to_scale

CONVERTIBLE = ("esc", "esc-fp")
"""Families whose head can be converted to another scale."""


def from_weights(path: Path, config: NetworkConfig, *, convert_head: bool) -> Network:
    """The network of `config` with the weights of a file, or of a checkpoint's name.

    Weights of another scale are taken only with `convert_head`, which resizes their head's
    sub-pixels. Raises WeightsError for weights that do not fit, and UsageError when only the scale
    does not and no conversion was asked for.
    """
    scale = None if convert_head or config.any_scale else config.scale
    state = read_state(Checkpoint(path) if path.is_file() else find(str(path), scale))
    try:
        network = network_from_state(state)
    except WeightsError as error:
        raise WeightsError(error.what, path, error.advice) from error
    found = network.config
    if replace(found, scale=config.scale) != config:
        what = f"is {variant_name(found)} x{found.scale}, and {variant_name(config)} is trained"
        raise WeightsError(what, path)
    if found.scale == config.scale:
        return network
    if not convert_head:
        what = f"upscales by {found.scale}, and {config.scale} is trained"
        raise UsageError(what, path, "--convert-head takes it as a starting point all the same")
    if config.family not in CONVERTIBLE:
        raise UsageError(f"the head of {config.family} cannot be converted", path)
    return network_from_state(to_scale(state, config.scale))


def initial(
    variant: str, scale: int, seed: int, init: Path | None, *, convert_head: bool
) -> Network:
    """The network that a run of a variant begins with, in training mode, on the CPU.

    torch's generator is set to the seed first, for this network and whatever is made after it.
    """
    torch.manual_seed(seed)
    config = variant_config(variant, scale)
    if init is None:
        return from_config(config)
    return from_weights(init, config, convert_head=convert_head).train()
