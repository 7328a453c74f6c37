"""The averaged weights of a run as a .safetensors file, with the record that belongs beside it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from esc_cli.checkpoints.loading import network_from_state, to_safetensors
from esc_cli.errors import UsageError, WeightsError, counted
from esc_cli.files.targets import check_target, write_together
from esc_cli.model import Network
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.recipe import Recipe, from_table

Scores = Mapping[str, Mapping[str, float]]
DEGRADED = {
    "bicubic": "",
    "real": " on second-order degradation",
    "photo": " on the degradation of photographs",
}


@dataclass(frozen=True)
class Trained:
    """What a checkpoint holds that matters after the training. `facts` are texts such as the
    device; older checkpoints lack some."""

    path: Path
    network: Network
    recipe: Recipe
    step: int
    seconds: float
    facts: Mapping[str, str]

    def how(self) -> str:
        """The run in words, for the record."""
        recipe, optimiser, schedule = self.recipe, self.recipe.optimiser, self.recipe.schedule
        init = self.facts.get("init")
        parts = [
            f"from {init}" if init else "",
            self._objective(),
            f"AdamW ({optimiser.betas[0]:g}, {optimiser.betas[1]:g})",
            f"{schedule.kind} schedule from {optimiser.learning_rate:g}",
            f"gradient clipping {optimiser.clip:g}" if optimiser.clip else "",
            f"EMA {optimiser.ema:g}",
            f"batch {recipe.data.batch} of {recipe.data.patch}x{recipe.data.patch} LR patches",
            "flips and rotations",
            f"{counted(self.step, 'iteration')} in {_lasting(self.seconds)}",
            f"on {self.facts['device']}" if "device" in self.facts else "",
        ]
        return ", ".join(part for part in parts if part)

    def _objective(self) -> str:
        recipe = self.recipe
        pixel = recipe.pixel_loss.upper()
        degraded = DEGRADED[recipe.degradation]
        if recipe.objective == "points":
            return f"{pixel} at {recipe.points.count:,} query points"
        if recipe.objective == "adversarial":
            weights = recipe.adversarial
            return (
                f"{weights.pixel:g} {pixel} + {weights.perceptual:g} VGG19 perceptual"
                f" + {weights.adversarial:g} GAN{degraded}"
            )
        weight = recipe.frequency_weight
        return f"{pixel}{f' + {weight:g} L1 of Fourier transforms' if weight else ''}{degraded}"


def _lasting(seconds: float) -> str:
    if seconds < 60:
        return counted(round(seconds), "second")
    return counted(round(seconds / 60), "minute")


def read_trained(run_or_checkpoint: Path) -> Trained:
    """The newest checkpoint of a run's folder, or the one given.

    Raises UsageError when there is none and WeightsError when it is damaged.
    """
    path = run_or_checkpoint
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        newest = RunFolder(path).newest()
        if newest is None:
            raise UsageError("no checkpoint of a training run in this folder", path)
        path = newest
    content = read_checkpoint(path)
    try:
        network = network_from_state(content["params_ema"]).eval()
        recipe, facts = from_table(content["recipe"]), content.get("facts", {})
        return Trained(path, network, recipe, content["step"], content["seconds"], facts)
    except (KeyError, TypeError, AttributeError, WeightsError) as error:
        raise WeightsError(f"no training checkpoint of esc: {error}", path) from error


@dataclass(frozen=True)
class Words:
    """What a record says in words; empty for what is not known."""

    trained_on: str = ""
    licence: str = ""


def check_export(target: Path) -> None:
    """Raise UsageError for another suffix, and DiskError when weights or record cannot be written.

    Both are looked at before any work.
    """
    if target.suffix != ".safetensors":
        raise UsageError("the exported weights must end in .safetensors", target)
    for path in (target, target.with_suffix(".json")):
        check_target(path)


def export(trained: Trained, target: Path, scores: Scores, words: Words, *, half: bool) -> Path:
    """Write weights and record, `mine.safetensors` and `mine.json`; returns the record's path.

    With `half` the weights are stored in half precision; networks compute in float32 all the
    same. Raises DiskError, and then neither is there.
    """
    content = to_safetensors(_stored(trained.network, half), _metadata(trained.recipe))
    record = json.dumps(_record(trained, target, content, scores, words), indent=2) + "\n"
    about = target.with_suffix(".json")
    write_together({target: content, about: record.encode()})
    return about


def _stored(network: Network, half: bool) -> dict[str, Tensor]:
    state = network.state_dict()
    return {k: v.half() if half and v.is_floating_point() else v for k, v in state.items()}


def _metadata(recipe: Recipe) -> dict[str, str]:
    return {"variant": recipe.variant, "scale": str(recipe.scale)}


def _record(
    trained: Trained, target: Path, content: bytes, scores: Scores, words: Words
) -> dict[str, Any]:
    return {
        "name": target.stem,
        "file": target.name,
        "variant": trained.recipe.variant,
        "scale": trained.recipe.scale,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "trained_on": words.trained_on or trained.facts.get("data", "not stated"),
        "recipe": trained.how(),
        "licence": words.licence or "not stated",
        "scores": {name: dict(values) for name, values in scores.items()},
    }
