"""The loop: take a batch, learn from it, and tell, validate and save when it is time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from esc_cli.errors import StoppedError, TrainingError
from esc_cli.model import Network
from esc_cli.training.distributed import AGREE_EVERY, Place, largest, mean
from esc_cli.training.events import Finished, Logged, Saved, TrainEvent, Validated
from esc_cli.training.folder import RunFolder
from esc_cli.training.learner import Learner, Losses
from esc_cli.training.loader import Loader
from esc_cli.training.schedule import Position, progress, rate_factor

Scores = dict[str, dict[str, float]]
Validate = Callable[[Network], Scores]


@dataclass(frozen=True)
class Intervals:
    """How often: log lines in iterations, validation and checkpoints in minutes; how many
    checkpoints are kept."""

    log: int
    validate_minutes: float
    save_minutes: float
    keep: int


@dataclass
class Tally:
    """Losses and times since the last log line."""

    sums: dict[str, Tensor] = field(default_factory=dict)
    count: int = 0
    since: float = field(default_factory=time.perf_counter)
    waited_s: float = 0.0

    def add(self, losses: Losses) -> None:
        """Count an iteration; nothing waits for the device."""
        for name, loss in losses.items():
            self.sums[name] = self.sums[name] + loss if name in self.sums else loss.clone()
        self.count += 1

    def means(self) -> dict[str, float]:
        """The mean of each loss; empty before the first iteration."""
        return {name: float(total) / self.count for name, total in self.sums.items()}


@dataclass
class Training:
    """A run. `position` is where it stands; `signal` gives the number of a signal that asks it to
    stop, else None; `validate` scores a network. `facts` are kept for the record of the weights."""

    learner: Learner[Any]
    loader: Loader[Any]
    folder: RunFolder
    position: Position
    intervals: Intervals
    batch: int
    validate: Validate | None = None
    signal: Callable[[], int | None] = lambda: None
    last_saved: Path | None = None
    facts: dict[str, str] = field(default_factory=dict)
    place: Place = field(default_factory=Place)
    _began: float = 0.0
    _due: dict[str, float] = field(default_factory=dict)

    def run(self) -> Iterator[TrainEvent]:
        """Train to the end of the schedule.

        Raises StoppedError after a signal, with a checkpoint saved; TrainingError, which names
        the last good checkpoint, when the loss is no number; DiskError and WriteError.
        """
        recipe = self.learner.recipe
        self._began = time.perf_counter() - self.position.seconds
        for what in ("validate", "save"):
            self._set_due(what)
        tally = self._new_tally()
        while progress(recipe.schedule, self.position) < 1:
            if (number := self._signal_of_all()) is not None:
                yield from self._saved(tally)
                raise StoppedError(number)
            factor = rate_factor(recipe.schedule, self.position)
            tally.add(self.learner.learn(self.loader.take(), factor, self.position.step))
            self._advance()
            if self.position.step % self.intervals.log == 0:
                yield self._log(tally, factor * recipe.optimiser.learning_rate)
                tally = self._new_tally()
            if self._is_due("validate"):
                yield from self._validated()
            if self._is_due("save"):
                yield from self._saved(tally)
        yield from self._saved(tally)
        yield from self._validated()
        if self.last_saved is not None:
            yield Finished(self.position.step, self.position.seconds, self.last_saved)

    def _new_tally(self) -> Tally:
        return Tally(waited_s=self.loader.waited_s)

    def _advance(self) -> None:
        """Count the iteration and the time; all processes keep the time of the latest."""
        self.position.step += 1
        if self.place.world == 1:
            self.position.seconds = time.perf_counter() - self._began
        elif self.position.step % AGREE_EVERY == 0:
            own = time.perf_counter() - self._began
            (self.position.seconds,) = largest([own], self.place, self.learner.device)

    def _signal_of_all(self) -> int | None:
        """The signal that asks any process to stop; asked for every few iterations."""
        own = self.signal()
        if self.place.world == 1:
            return own
        if self.position.step % AGREE_EVERY:
            return None
        (number,) = largest([float(own or 0)], self.place, self.learner.device)
        return int(number) or None

    def _set_due(self, what: str) -> None:
        wanted = self.intervals.save_minutes if what == "save" else self.intervals.validate_minutes
        able = self.place.first and (what == "save" or self.validate is not None)
        self._due[what] = self.position.seconds + 60 * wanted if able else math.inf

    def _is_due(self, what: str) -> bool:
        if self.position.seconds < self._due[what]:
            return False
        self._set_due(what)
        return True

    def _log(self, tally: Tally, rate: float) -> Logged:
        own = tally.means()
        shared = mean(list(own.values()), self.place, self.learner.device)
        losses = self._finite(dict(zip(own, shared, strict=True)))
        elapsed = time.perf_counter() - tally.since
        event = Logged(
            step=self.position.step,
            seconds=self.position.seconds,
            progress=progress(self.learner.recipe.schedule, self.position),
            rate=rate,
            losses=losses,
            iterations_per_s=tally.count / elapsed,
            patches_per_s=tally.count * self.batch / elapsed,
            waiting=(self.loader.waited_s - tally.waited_s) / elapsed,
        )
        self._append(event.step, {"rate": rate, **losses})
        return event

    def _append(self, step: int, values: dict[str, Any]) -> None:
        if self.place.first:
            entry = {"step": step, "seconds": round(self.position.seconds, 1), **values}
            self.folder.append_log(entry)

    def _finite(self, losses: dict[str, float]) -> dict[str, float]:
        """The values. Raises TrainingError when one is NaN or infinite."""
        for name, value in losses.items():
            if not math.isfinite(value):
                what = f"{name} is {value} at iteration {self.position.step}"
                good = f"the last good checkpoint is {self.last_saved}; go on from it"
                way_out = good if self.last_saved else "there is no checkpoint yet; begin anew"
                advice = f"{way_out} with a lower optimiser.learning_rate"
                raise TrainingError(what, advice=advice)
        return losses

    def _validated(self) -> Iterator[Validated]:
        if self.validate is None or not self.place.first:
            return
        scores = self.validate(self.learner.average.network)
        event = Validated(self.position.step, self.position.seconds, scores)
        self._append(event.step, {"scores": scores})
        yield event

    def _saved(self, tally: Tally) -> Iterator[Saved]:
        """Write a checkpoint, after a look at the losses since the last log line."""
        if not self.place.first:
            return
        self._finite({**tally.means(), **self.learner.magnitudes()})
        self.last_saved = self.folder.save(self.state(), self.position.step, self.intervals.keep)
        yield Saved(self.position.step, self.last_saved)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            **self.learner.state(),
            "step": self.position.step,
            "seconds": self.position.seconds,
            "recipe": self.learner.recipe.as_table(),
            "random": random_states(),
            "facts": self.facts,
        }


def random_states() -> dict[str, Any]:
    """The states of torch's generators: of the CPU, and of each GPU."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": gpus}


def restore_random(states: dict[str, Any]) -> None:
    """Set the generators as they were; GPUs only where their number is the same."""
    torch.set_rng_state(states["cpu"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
