"""Which patches and which learner a recipe means."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from esc_cli.model import Network
from esc_cli.training.adversarial import AdversarialLearner
from esc_cli.training.any_scale import PointLearner, PointSource
from esc_cli.training.cache import Pictures
from esc_cli.training.distributed import Place
from esc_cli.training.learner import Learner, PixelLearner
from esc_cli.training.patches import PatchSource, Rounds
from esc_cli.training.perceptual import load_perceptual
from esc_cli.training.photo_source import PhotoSource
from esc_cli.training.real_source import RealSource
from esc_cli.training.recipe import Recipe


class Source(Protocol):
    """Where batches come from."""

    rounds: Rounds

    def batch(self, step: int, places: range) -> Any:
        """The given places of the batch of an iteration."""


def needs_lr(recipe: Recipe) -> bool:
    """Whether LR pictures are made once and kept, instead of anew for each patch."""
    return recipe.objective != "points" and recipe.degradation == "bicubic"


def make_source(recipe: Recipe, hr: Pictures, lr: Pictures | None) -> Source:
    """The patches of a recipe; `lr` where it `needs_lr`."""
    if recipe.objective == "points":
        return PointSource(hr, recipe)
    if recipe.degradation == "photo":
        return PhotoSource(hr, recipe)
    return RealSource(hr, recipe) if lr is None else PatchSource(lr, hr, recipe)


def make_learner(
    network: Network, recipe: Recipe, device: torch.device, place: Place, vgg: Path | None
) -> Learner[Any]:
    """The learner of a recipe, its network on the device.

    Raises WeightsError when the perceptual loss has no weights.
    """
    if recipe.objective == "points":
        return PointLearner(network, recipe, device, place)
    if recipe.objective == "pixel":
        return PixelLearner(network, recipe, device, place)
    return AdversarialLearner(network, recipe, device, place, load_perceptual(vgg))
