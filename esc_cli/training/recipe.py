"""A training run as values: what is trained, on which patches, how. Imports no torch."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from esc_cli.errors import UsageError
from esc_cli.model.config import variant_config
from esc_cli.training.degradation_settings import Photo, Real, check_degradation

Table = dict[str, Any]


@dataclass(frozen=True)
class Data:
    """Patches: `patch` LR pixels a side, `batch` of them a step over all processes together."""

    patch: int = 64
    batch: int = 64


@dataclass(frozen=True)
class Optimiser:
    """AdamW, clipping of the gradient's norm (0 for none), moving average of the weights.

    `learning_rate` is the highest of the schedule.
    """

    learning_rate: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.9)
    weight_decay: float = 0.0
    clip: float = 0.0
    ema: float = 0.999


@dataclass(frozen=True)
class Schedule:
    """How long, and the learning rate on the way.

    "steps": linear warm-up over `warmup` iterations, then times `gamma` at each milestone.
    "one-cycle": linear warm-up over the first `rise` of the run, then a cosine down to 0.
    The run ends after `iterations`, or after `minutes` when they are above 0.
    """

    kind: Literal["steps", "one-cycle"] = "steps"
    iterations: int = 500_000
    minutes: float = 0.0
    warmup: int = 0
    milestones: tuple[int, ...] = ()
    gamma: float = 0.5
    rise: float = 0.05


@dataclass(frozen=True)
class Points:
    """For networks of any scale: `count` query points a patch, at scales drawn from a range."""

    count: int = 2304
    scales: tuple[float, float] = (1.0, 4.0)


@dataclass(frozen=True)
class Adversarial:
    """Weights of the losses, and the critic: its learning rate, and its width in channels."""

    pixel: float = 1.0
    perceptual: float = 1.0
    adversarial: float = 0.1
    critic_learning_rate: float = 1e-4
    critic_width: int = 64


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, given the pictures.

    `objective` is what is minimised: the pixel loss of upscaled patches, that of query points
    ("points"), or "adversarial" with a critic and a perceptual loss. `frequency_weight` is that of
    the loss over Fourier transforms, added to the pixel loss of objective "pixel". `degradation`
    says how LR comes from HR. `precision` is that of the network's computations, "auto" bf16 on
    CUDA and on processors that multiply it in hardware, fp32 elsewhere; weights, losses and
    optimiser are fp32.
    """

    variant: str
    scale: int
    objective: Literal["pixel", "points", "adversarial"] = "pixel"
    degradation: Literal["bicubic", "real", "photo"] = "bicubic"
    pixel_loss: Literal["l1", "l2"] = "l1"
    frequency_weight: float = 0.0
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    data: Data = field(default_factory=Data)
    optimiser: Optimiser = field(default_factory=Optimiser)
    schedule: Schedule = field(default_factory=Schedule)
    points: Points = field(default_factory=Points)
    real: Real = field(default_factory=Real)
    photo: Photo = field(default_factory=Photo)
    adversarial: Adversarial = field(default_factory=Adversarial)

    def __post_init__(self) -> None:
        """Raise UsageError for values that no run can have."""
        config = variant_config(self.variant, self.scale)
        if config.any_scale != (self.objective == "points"):
            raise UsageError(f"{self.variant} cannot be trained with {self.objective!r}")
        if self.frequency_weight and self.objective != "pixel":
            raise UsageError(f"frequency_weight has no effect with objective {self.objective!r}")
        if not 0 <= self.frequency_weight < float("inf"):
            raise UsageError(f"frequency_weight cannot be {self.frequency_weight}")
        positive = {
            "data.patch": self.data.patch,
            "data.batch": self.data.batch,
            "optimiser.learning_rate": self.optimiser.learning_rate,
            "schedule.iterations": self.schedule.iterations,
            "points.count": self.points.count,
        }
        for name, value in positive.items():
            if not 0 < value < float("inf"):
                raise UsageError(f"{name} must be above 0, and is {value}")
        if not 0 <= self.schedule.minutes < float("inf"):
            raise UsageError(f"schedule.minutes cannot be {self.schedule.minutes}")
        if not 0 <= self.optimiser.ema < 1:
            raise UsageError(f"optimiser.ema must be in 0..1, and is {self.optimiser.ema}")
        if not 1 <= self.points.scales[0] <= self.points.scales[1]:
            low, high = self.points.scales
            raise UsageError(f"points.scales must rise from 1 or more, not {low:g} to {high:g}")
        check_degradation(self.real, "real")
        check_degradation(self.photo, "photo")

    @property
    def validation_scale(self) -> int:
        """The scale to validate at: the network's, or the largest that it is trained for."""
        return self.scale or round(self.points.scales[1])

    def check_batch(self, processes: int) -> None:
        """Raise UsageError when a batch cannot be split evenly over so many processes."""
        if self.data.batch % processes:
            what = f"a batch of {self.data.batch} cannot be split over {processes} processes"
            raise UsageError(what, advice="choose --batch as a multiple of their number")

    def as_table(self) -> Table:
        """Plain values, as `from_table` takes them."""
        return asdict(self)


def recipe_names() -> list[str]:
    """The recipes that ship with the package."""
    folder = files("esc_cli.training") / "recipes"
    names = (Path(entry.name) for entry in folder.iterdir())
    return sorted(name.stem for name in names if name.suffix == ".toml")


def load_recipe(name_or_path: str, changes: Iterable[Mapping[str, Any]] = ()) -> Recipe:
    """The recipe of a name or of a .toml file, with changes laid over it, the last one on top.

    Raises UsageError for a name that is not known, a file that cannot be read, a key that is not
    known and a value of another type.
    """
    table = _read(name_or_path)
    for change in changes:
        table = _merged(table, change)
    return from_table(table)


def _read(name_or_path: str) -> Table:
    if name_or_path in recipe_names():
        text = (files("esc_cli.training") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")
        return _parsed(text)
    path = Path(name_or_path)
    if path.suffix != ".toml":
        known = ", ".join(recipe_names())
        raise UsageError(f"no recipe {name_or_path!r}", advice=f"a .toml file, or: {known}")
    try:
        return _parsed(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"no readable recipe: {error}", path) from error


def _parsed(text: str) -> Table:
    table: Table = tomllib.loads(text)
    return table


def changes(given: Mapping[str, Any], settings: Iterable[str]) -> list[Table]:
    """Values by dotted name, without those that are None, then settings in order, as tables."""
    dotted = [(key.split("."), value) for key, value in given.items() if value is not None]
    tables = [
        {keys[0]: value} if len(keys) == 1 else {keys[0]: {keys[1]: value}}
        for keys, value in dotted
    ]
    return [*tables, *map(parse_setting, settings)]


def parse_setting(text: str) -> Table:
    """`optimiser.learning_rate=1e-3` as a nested table; a value that is no TOML is text."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set {text!r} is no setting", advice="optimiser.learning_rate=1e-3")
    for written in (value, f'"{value.strip()}"'):
        try:
            return _parsed(f"{key.strip()} = {written}")
        except ValueError:
            continue
    raise UsageError(f"--set {text!r} is no setting", advice="optimiser.learning_rate=1e-3")


def _merged(table: Mapping[str, Any], change: Mapping[str, Any]) -> Table:
    merged = dict(table)
    for key, value in change.items():
        below = merged.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        merged[key] = _merged(below, value) if both else value  # type: ignore[arg-type]
    return merged


def from_table(table: Mapping[str, Any]) -> Recipe:
    """The recipe that a table of plain values holds. Raises UsageError as `load_recipe` does."""
    recipe: Recipe = _build(Recipe, table, "")
    return recipe


def _build(kind: Any, table: Mapping[str, Any], where: str) -> Any:
    hints, known = get_type_hints(kind), {entry.name for entry in fields(kind)}
    for key in table:
        if key not in known:
            advice = f"known here: {', '.join(sorted(known))}"
            raise UsageError(f"a recipe has no {where}{key}", advice=advice)
    values = {key: _value(hints[key], value, f"{where}{key}") for key, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise UsageError(f"the recipe is not complete: {error}") from error


def _value(hint: Any, value: Any, name: str) -> Any:
    if is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise UsageError(f"{name} is a table in a recipe")
        return _build(hint, value, f"{name}.")
    if get_origin(hint) is Literal:
        if value not in get_args(hint):
            advice = f"one of {', '.join(get_args(hint))}"
            raise UsageError(f"{name} cannot be {value!r}", advice=advice)
        return value
    if get_origin(hint) is tuple:
        return _sequence(hint, value, name)
    fitting = isinstance(value, (int, float) if hint is float else hint)
    if not fitting or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{name} must be {hint.__name__}, and is {value!r}")
    return hint(value)


def _sequence(hint: Any, value: Any, name: str) -> tuple[Any, ...]:
    kinds = get_args(hint)
    if not isinstance(value, (list, tuple)):
        raise UsageError(f"{name} must be a list, and is {value!r}")
    if kinds[-1] is not Ellipsis and len(value) != len(kinds):
        raise UsageError(f"{name} must have {len(kinds)} values, and has {len(value)}")
    return tuple(_value(kinds[0], entry, name) for entry in value)


def differing(one: Mapping[str, Any], other: Mapping[str, Any], where: str = "") -> list[str]:
    """Dotted names of the values that two tables do not share."""
    names: list[str] = []
    for key in {**one, **other}:
        left, right = one.get(key), other.get(key)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            names += differing(left, right, f"{where}{key}.")
        elif left != right:
            names.append(f"{where}{key}")
    return names
