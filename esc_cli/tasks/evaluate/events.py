"""What a user can ask of `esc eval`, and what it tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply
from esc_cli.engine.options import EngineOptions
from esc_cli.evaluation.decimals import PROGRESS_DIGITS
from esc_cli.evaluation.results import Score, Table, Visual
from esc_cli.tasks.defaults import MAX_PIXELS


@dataclass(frozen=True)
class EvalOptions:
    """Everything that `esc eval` takes; see `esc eval --help`."""

    datasets: tuple[str, ...]
    data_roots: tuple[Path, ...] = ()
    scales: tuple[int, ...] = (4,)
    models: tuple[str | None, ...] = (None,)
    against: tuple[str, ...] = ()
    results: Path | None = None
    sr_pattern: str | None = None
    rgb: bool = False
    reference: bool = True
    iqa: tuple[str, ...] = ()
    border: int | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)
    max_pixels: int = MAX_PIXELS
    cache: Path | None = None
    save_sr: Path | None = None
    visuals: bool = False
    supply: Supply = SILENT_SUPPLY


@dataclass(frozen=True)
class SetStarted:
    """A dataset at a scale begins."""

    dataset: str
    scale: int
    images: int
    methods: tuple[str, ...]


@dataclass(frozen=True)
class Scored:
    """One picture by one method. `cached`: the values are those of an earlier run.

    `notes` say what memory or precision forced on the way.
    """

    score: Score
    notes: tuple[str, ...]
    cached: bool

    @property
    def text(self) -> str:
        """The values by name, for the line of a picture."""
        values = self.score.values.items()
        return ", ".join(f"{name} {value:.{PROGRESS_DIGITS}f}" for name, value in values)


@dataclass(frozen=True)
class Failed:
    """One picture, or one metric, that could not be done."""

    what: str
    reason: str


@dataclass(frozen=True)
class SetDone:
    """A dataset at a scale is finished."""

    table: Table
    visuals: tuple[Visual, ...]


@dataclass(frozen=True)
class Timings:
    """Seconds by stage: decode, degrade, methods, metrics, iqa, save, pictures."""

    seconds: dict[str, float]


EvalEvent = SetStarted | Scored | Failed | SetDone | Timings
