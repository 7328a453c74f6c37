"""Running `esc train`: a progress bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from esc_cli.checkpoints.fetch import Supply
from esc_cli.cli.console import print_error, print_line
from esc_cli.cli.fetching import supply
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.errors import EscError, StoppedError, UsageError, counted, shown
from esc_cli.tasks.evaluate.validation import printed
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.plot import check_plot, write_plot
from esc_cli.tasks.train.run import TrainOptions, TrainTask
from esc_cli.training.distributed import find_place
from esc_cli.training.events import (
    Cached,
    Finished,
    Logged,
    Note,
    Saved,
    Started,
    TrainEvent,
    Validated,
)
from esc_cli.training.folder import LOG
from esc_cli.training.recipe import changes, load_recipe

CACHED_INTERVAL_S = 5.0
"""Least seconds between two lines about the cache."""


def length(
    iterations: int | None, minutes: float | None, settings: Sequence[str], *, short: bool
) -> dict[str, Any]:
    """The length of a run as changes to a recipe.

    Raises UsageError when it has none, or two, and for a `short` that --minutes means already.
    """
    if minutes is not None and not 0 < minutes < float("inf"):
        raise UsageError(f"--minutes must be above 0, and is {minutes:g}")
    if short and minutes is not None:
        raise UsageError("--short has no effect: --minutes makes one cycle", advice=_NO_SHORT)
    keys = _keys(settings)
    by_step = iterations is not None or "schedule.iterations" in keys
    by_clock = minutes is not None or "schedule.minutes" in keys
    if by_step and by_clock:
        raise UsageError("a run has a length in --minutes or in --iterations", advice="give one")
    return {
        "schedule.iterations": iterations,
        "schedule.minutes": 0.0 if by_step else minutes,
        "schedule.kind": "one-cycle" if short or minutes else None,
    }


_NO_SHORT = "leave it out, or give --iterations"


def check_short(recipe: str, iterations: int | None, settings: Sequence[str]) -> None:
    """Raise UsageError where --short, without a length, changes nothing in a recipe."""
    if iterations is not None or "schedule.iterations" in _keys(settings):
        return
    if load_recipe(recipe, changes({}, settings)).schedule.kind == "one-cycle":
        what = f"--short has no effect: {recipe} makes one cycle of its own length"
        raise UsageError(what, advice=_NO_SHORT)


def _keys(settings: Sequence[str]) -> set[str]:
    return {setting.partition("=")[0].strip() for setting in settings}


def supply_of_first(*, offline: bool) -> Supply:
    """How weights are fetched; of several processes only the first tells."""
    return supply(offline=offline, quiet=not find_place(os.environ).first)


def run(options: TrainOptions, plot: Path | None) -> None:
    """Train, and draw the curve; ends in an EscError when the run does not come to its end."""
    if plot is not None:
        check_plot(plot, options.out)
    stop = Stop()
    task = TrainTask(options, stop)
    log = options.out / LOG
    drawn = plot if task.place.first else None
    with stopping_on_signals(stop):
        try:
            Renderer().run(task.run())
        except EscError as error:
            if task.place.first and isinstance(error, StoppedError):
                print_line("stopped; --resume auto goes on from the last checkpoint")
            if drawn is not None and log.is_file():
                with printing_errors():
                    write_plot(log, drawn)
            raise
    if drawn is not None:
        write_plot(log, drawn)


@contextmanager
def printing_errors() -> Iterator[None]:
    """Print an error beside the one that ends the command."""
    try:
        yield
    except EscError as error:
        print_error(error)


@dataclass
class Renderer:
    """Shows the events of a run."""

    _bar: Any = None
    _cached_at: float = 0.0

    def run(self, events: Iterable[TrainEvent]) -> None:
        """Show all events."""
        try:
            for event in events:
                self.show(event)
        finally:
            if self._bar is not None:
                self._bar.close()

    @singledispatchmethod
    def show(self, event: TrainEvent) -> None:
        """Show an event."""
        raise NotImplementedError(type(event))

    @show.register
    def _(self, event: Cached) -> None:
        now = time.monotonic()
        if event.done == event.total or now - self._cached_at > CACHED_INTERVAL_S:
            self._cached_at = now
            self._line(f"{event.what}: {event.done} of {event.total}")

    @show.register
    def _(self, event: Note) -> None:
        self._line(event.text)

    @show.register
    def _(self, event: Started) -> None:
        if event.left_out:
            names = ", ".join(shown(name) for name in event.left_out[:4])
            more = ", ..." if len(event.left_out) > 4 else ""
            self._line(f"{len(event.left_out)} smaller than a patch, left out: {names}{more}")
        pictures = f"{counted(event.pictures, 'picture')} on {event.device}"
        if event.checkpoint is not None:
            self._line(f"going on from {shown(event.checkpoint)}, iteration {event.step}")
        self._line(f"{pictures}, {event.parameters:,} parameters")
        self._bar = _bar()

    @show.register
    def _(self, event: Logged) -> None:
        losses = " ".join(f"{name} {value:.5f}" for name, value in event.losses.items())
        speed = f"{event.iterations_per_s:.2f} it/s, {event.patches_per_s:.0f} patches/s"
        text = f"{losses}, rate {event.rate:.2e}, {speed}, waiting {event.waiting:.1%}"
        if self._bar is None:
            self._line(f"{event.progress:6.1%} {event.step:>7} {_clock(event.seconds)} {text}")
            return
        self._bar.n = round(100 * event.progress, 1)
        self._bar.set_description_str(f"{event.step}", refresh=False)
        self._bar.set_postfix_str(text, refresh=False)
        self._bar.refresh()

    @show.register
    def _(self, event: Validated) -> None:
        sets = ", ".join(
            f"{name} {' '.join(text for _, text in printed(scores))}"
            for name, scores in event.scores.items()
        )
        self._line(f"validated {event.step} {_clock(event.seconds)}: {sets}")

    @show.register
    def _(self, event: Saved) -> None:
        self._line(f"saved {shown(event.path)}")

    @show.register
    def _(self, event: Finished) -> None:
        done = counted(event.step, "iteration")
        self._line(f"finished after {done} in {_clock(event.seconds)}")

    def _line(self, text: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        print_line(text)
        if self._bar is not None:
            self._bar.refresh()


def _bar() -> Any:
    """A bar in per cent where there is a terminal and tqdm, else None."""
    if not sys.stderr.isatty():
        return None
    with suppress(ImportError):
        from tqdm import tqdm

        return tqdm(total=100, bar_format="{desc} {percentage:5.1f}% |{bar}| {elapsed} {postfix}")
    return None


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
