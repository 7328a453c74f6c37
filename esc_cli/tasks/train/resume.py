"""What a training run begins with, or goes on from, and what a user should know about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from esc_cli.checkpoints.loading import described, refuse_misfit
from esc_cli.errors import UsageError, WeightsError, shown
from esc_cli.model.config import variant_config
from esc_cli.training.events import Note
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.learner import Learner
from esc_cli.training.loop import restore_random
from esc_cli.training.recipe import Recipe, differing, from_table, load_recipe, recipe_names
from esc_cli.training.schedule import Position, from_here, rate_factor

_DAMAGE = (KeyError, RuntimeError, ValueError, TypeError, AttributeError)
"""What a checkpoint of another kind, or of another version, leads to."""


def restored(learner: Learner[Any], path: Path) -> tuple[Position, list[Note]]:
    """Take over the state of a checkpoint; its position, and notes on a recipe that has changed.

    Raises UsageError when it belongs to another recipe, and what `read_checkpoint` raises.
    """
    content = read_checkpoint(path)
    try:
        refuse_misfit(learner.network, content["params"])
        learner.restore(content)
        restore_random(content["random"])
        position = Position(int(content["step"]), float(content["seconds"]))
        notes = [
            *changed_settings(content, learner.recipe),
            rate_from_here(content, learner.recipe),
        ]
        return position, notes
    except (WeightsError, *_DAMAGE) as error:
        raise _misfit(content, learner.recipe, path, error) from error


def _misfit(content: dict[str, Any], recipe: Recipe, path: Path, error: Exception) -> UsageError:
    """The error for a checkpoint that cannot be taken over; it names networks that differ."""
    stored, wanted = _stored_network(content), _network(recipe)
    if stored in {"", wanted}:
        first_line = str(error).partition("\n")[0].rstrip(": ")
        reason = error.what if isinstance(error, WeightsError) else first_line
        advice = "go on with the esc that wrote it, or choose another --out"
        return UsageError(f"does not fit this recipe: {reason}", path, advice)
    what = f"the checkpoint is of {stored}, the recipe of {wanted}"
    advice = "give the recipe and --scale of the checkpoint, or choose another --out"
    return UsageError(what, path, advice)


def _stored_network(content: dict[str, Any]) -> str:
    """The network that a checkpoint's recipe trains, in words; "" when that cannot be read."""
    try:
        return _network(from_table(content["recipe"]))
    except (UsageError, KeyError, ValueError, TypeError, AttributeError):
        return ""


def _network(recipe: Recipe) -> str:
    return described(variant_config(recipe.variant, recipe.scale))


def changed_settings(content: dict[str, Any], recipe: Recipe) -> Iterator[Note]:
    """A note when the recipe is not the one that the checkpoint was made with."""
    try:
        before = from_table(content["recipe"])
    except UsageError as error:
        yield Note(f"the checkpoint's recipe cannot be read: {error}")
        return
    names = sorted(differing(before.as_table(), recipe.as_table()))
    if names:
        yield Note(f"the recipe has changed since the checkpoint: {', '.join(names)}")


def rate_from_here(content: dict[str, Any], recipe: Recipe) -> Note:
    """What the learning rate does from a checkpoint on, and how it differs from that before."""
    position = Position(int(content["step"]), float(content["seconds"]))
    text = from_here(recipe.schedule, position, recipe.optimiser.learning_rate)
    try:
        before = from_table(content["recipe"])
    except UsageError:  # told already
        return Note(text)
    rates = [
        one.optimiser.learning_rate * rate_factor(one.schedule, position)
        for one in (before, recipe)
    ]
    if abs(rates[0] - rates[1]) > JUMP * max(rates):
        text += f"; before the checkpoint it was {rates[0]:.2e}"
    return Note(text)


JUMP = 0.01
"""Relative change of the rate at a checkpoint that is told."""


def set_aside(folder: RunFolder, step: int, start: Path) -> Iterator[Note]:
    """Move checkpoints that come after the one to go on from out of the way, and say where to."""
    aside = folder.set_aside(step, start)
    if aside is not None:
        count = len(aside.all())
        later = "1 later checkpoint is" if count == 1 else f"{count} later checkpoints are"
        yield Note(f"{later} kept in {shown(aside.path)}, with the log as it was")


def padded_patches(recipe: Recipe) -> Iterator[Note]:
    """A note when patches do not fill the attention's windows, unless a recipe of esc wants it."""
    window, patch = variant_config(recipe.variant, recipe.scale).window, recipe.data.patch
    own = (load_recipe(name) for name in recipe_names())
    if not patch % window or any((r.variant, r.data.patch) == (recipe.variant, patch) for r in own):
        return
    below, above = patch // window * window, -(-patch // window) * window
    nearest = f"{below} or {above}" if below else f"{above}"
    what = (
        f"patches of {patch} LR pixels are padded to {above} in the attention of {recipe.variant}"
    )
    yield Note(f"{what}, whose window is {window}: --patch {nearest} wastes nothing")
