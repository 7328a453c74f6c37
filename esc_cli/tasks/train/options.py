"""What a user can ask of `esc train`, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply
from esc_cli.errors import UsageError
from esc_cli.tasks.defaults import MAX_PIXELS
from esc_cli.tasks.train import defaults
from esc_cli.tasks.train.pictures import PictureFolder
from esc_cli.training.factory import needs_lr
from esc_cli.training.loop import Intervals
from esc_cli.training.recipe import Recipe, changes, load_recipe

__all__ = ["Changes", "Intervals", "TrainOptions", "changed_recipe"]

_NO_SHORT = "leave it out, or give --iterations"


@dataclass(frozen=True)
class Changes:
    """What a run takes otherwise than its recipe says; None leaves a value as it is.

    `settings` are texts such as "optimiser.learning_rate=1e-3", of any value, laid over the rest.
    `short`: one cycle over `iterations`. `minutes`: one cycle over that time.
    """

    scale: int | None = None
    seed: int | None = None
    batch: int | None = None
    patch: int | None = None
    iterations: int | None = None
    minutes: float | None = None
    short: bool = False
    settings: Sequence[str] = ()

    @property
    def _keys(self) -> set[str]:
        return {setting.partition("=")[0].strip() for setting in self.settings}

    @property
    def by_step(self) -> bool:
        """Whether they give the length in iterations."""
        return self.iterations is not None or "schedule.iterations" in self._keys

    @property
    def by_clock(self) -> bool:
        """Whether they give the length in minutes."""
        return self.minutes is not None or "schedule.minutes" in self._keys

    def by_name(self) -> dict[str, Any]:
        """The values by their names in a recipe, without the settings.

        Raises UsageError when the length is none, or two, and for a `short` that --minutes means
        already.
        """
        if self.minutes is not None and not 0 < self.minutes < float("inf"):
            raise UsageError(f"--minutes must be above 0, and is {self.minutes:g}")
        if self.short and self.minutes is not None:
            raise UsageError("--short has no effect: --minutes makes one cycle", advice=_NO_SHORT)
        if self.by_step and self.by_clock:
            what = "a run has a length in --minutes or in --iterations"
            raise UsageError(what, advice="give one")
        return {
            "scale": self.scale,
            "seed": self.seed,
            "data.batch": self.batch,
            "data.patch": self.patch,
            "schedule.iterations": self.iterations,
            "schedule.minutes": 0.0 if self.by_step else self.minutes,
            "schedule.kind": "one-cycle" if self.short or self.minutes else None,
        }


def changed_recipe(name_or_path: str, given: Changes) -> Recipe:
    """The recipe of a name or of a .toml file with changes laid over it.

    Raises UsageError as `load_recipe` does, for a length that cannot be, and for a `short` that
    changes nothing.
    """
    if given.short and not given.by_step:
        _check_short(name_or_path, given.settings)
    return load_recipe(name_or_path, changes(given.by_name(), given.settings))


def _check_short(name_or_path: str, settings: Sequence[str]) -> None:
    """Raise UsageError where --short, without a length, changes nothing in a recipe."""
    if load_recipe(name_or_path, changes({}, settings)).schedule.kind == "one-cycle":
        what = f"--short has no effect: {name_or_path} makes one cycle of its own length"
        raise UsageError(what, advice=_NO_SHORT)


DEFAULT_INTERVALS = Intervals(
    defaults.LOG_EVERY,
    defaults.VALIDATE_EVERY_MINUTES,
    defaults.SAVE_EVERY_MINUTES,
    defaults.KEPT_CHECKPOINTS,
)


@dataclass(frozen=True)
class TrainOptions:
    """Everything that `esc train` takes; see `esc train --help` for each."""

    recipe: Recipe
    data: Path
    out: Path
    data_lr: Path | None = None
    cache: Path | None = None
    skip_damaged: bool = False
    init: str | None = None
    convert_head: bool = False
    vgg: Path | None = None
    compile: bool = False
    resume: str | None = None
    validate: tuple[str, ...] = ()
    data_roots: tuple[Path, ...] = ()
    intervals: Intervals = DEFAULT_INTERVALS
    device: str = "auto"
    loader_threads: int = defaults.LOADER_THREADS
    max_pixels: int = MAX_PIXELS
    supply: Supply = SILENT_SUPPLY

    def check(self) -> None:
        """Raise UsageError for options that would have no effect."""
        recipe = self.recipe
        if self.data_lr is not None and not needs_lr(recipe):
            raise UsageError("this recipe makes LR anew for each patch", advice="no --data-lr")
        if self.vgg is not None and recipe.objective != "adversarial":
            raise UsageError("this recipe has no perceptual loss", advice="leave --vgg out")
        if self.convert_head and self.init is None:
            what = "--convert-head converts the weights of --init"
            raise UsageError(what, advice="give --init, or leave it out")

    @property
    def pictures(self) -> PictureFolder:
        """The training pictures, and where they are kept decoded."""
        cache = self.cache or self.out / "cache"
        return PictureFolder(self.data, cache, self.max_pixels, self.skip_damaged)
