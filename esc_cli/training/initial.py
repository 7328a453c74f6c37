"""The network that a run begins with: fresh, or from existing weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, obtain, remember
from esc_cli.checkpoints.loading import network_from_state, read_state
from esc_cli.checkpoints.store import Checkpoint, find, find_all, looks_like_path
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model import Network, from_config
from esc_cli.model.config import NetworkConfig, variant_config, variant_name
from esc_cli.model.convert import to_scale
from esc_cli.model.families import FAMILIES
from esc_cli.training.recipe import Recipe


def from_weights(
    model: str | Path,
    config: NetworkConfig,
    *,
    convert_head: bool,
    supply: Supply = SILENT_SUPPLY,
) -> Network:
    """The network of `config` with the weights of a file, or of a name, as --model takes them.

    Weights of another scale are taken only with `convert_head`, which resizes their head's
    sub-pixels. Raises WeightsError for weights that do not fit, UsageError when only the scale
    does not and no conversion was asked for, and SetupError when they cannot be fetched.
    """
    checkpoint = obtain(_wanted(str(model), config, convert_head=convert_head), supply)
    path = checkpoint.path
    state = read_state(checkpoint)
    try:
        network = network_from_state(state)
    except WeightsError as error:
        raise WeightsError(error.what, path, error.advice) from error
    remember(checkpoint)
    found = network.config
    if replace(found, scale=config.scale) != config:
        what = f"is {variant_name(found)} x{found.scale}, and {variant_name(config)} is trained"
        raise WeightsError(what, path)
    if found.scale == config.scale:
        return network
    if not convert_head:
        what = f"upscales by {found.scale}, and {config.scale} is trained"
        raise UsageError(what, path, "--convert-head takes it as a starting point all the same")
    if not FAMILIES[config.family].convertible:
        raise UsageError(f"the head of {config.family} cannot be converted", path)
    return network_from_state(to_scale(state, config.scale))


def _wanted(model: str, config: NetworkConfig, *, convert_head: bool) -> Checkpoint:
    """A name at the scale that is trained; to convert a head, at its smallest."""
    if looks_like_path(model) or config.any_scale:
        return find(model)
    scales = find_all(model)
    smallest = scales[min(scales, key=lambda scale: scale or 0)]
    if convert_head and config.scale not in scales:
        return smallest
    try:
        return find(model, config.scale)
    except WeightsError as error:
        if not _convertible(smallest, config):
            raise
        advice = f"--convert-head takes its x{smallest.scale} as a starting point all the same"
        raise UsageError(error.what, advice=advice) from error


def _convertible(checkpoint: Checkpoint, config: NetworkConfig) -> bool:
    """Whether a checkpoint is the network of `config` at another scale, with a head to convert."""
    found = peek_config(checkpoint)
    same = replace(found, scale=config.scale) == config
    return same and FAMILIES[config.family].convertible


def initial(
    recipe: Recipe, init: str | None, *, convert_head: bool, supply: Supply = SILENT_SUPPLY
) -> Network:
    """The network that a run of a recipe begins with, in training mode, on the CPU.

    torch's generator is set to the seed first, for this network and whatever is made after it.
    """
    torch.manual_seed(recipe.seed)
    config = variant_config(recipe.variant, recipe.scale)
    if init is None:
        return from_config(config)
    return from_weights(init, config, convert_head=convert_head, supply=supply).train()
