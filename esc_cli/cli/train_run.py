"""Running `esc train`: a progress bar in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import singledispatchmethod
from pathlib import Path
from typing import Any

from esc_cli.cli.console import print_error, print_line
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.errors import EscError, StoppedError, counted, shown
from esc_cli.tasks.evaluate.validation import printed
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import TrainOptions
from esc_cli.tasks.train.plot import check_plot, plot_run
from esc_cli.tasks.train.run import (
    Cached,
    Finished,
    Logged,
    Note,
    Saved,
    Started,
    TrainEvent,
    TrainTask,
    Validated,
)

CACHED_INTERVAL_S = 5.0
"""Least seconds between two lines about the cache."""


def run(options: TrainOptions, plot: Path | None) -> None:
    """Train, and draw the curve; ends in an EscError when the run does not come to its end."""
    if plot is not None:
        check_plot(plot, options.out)
    stop = Stop()
    task = TrainTask(options, stop)
    drawn = plot if task.place.first else None
    with stopping_on_signals(stop):
        try:
            Renderer().run(task.run())
        except EscError as error:
            if task.place.first and isinstance(error, StoppedError):
                print_line("stopped; --resume auto goes on from the last checkpoint")
            if drawn is not None:
                with printing_errors():
                    plot_run(options.out, drawn, unlogged=False)
            raise
    if drawn is not None:
        plot_run(options.out, drawn)


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
