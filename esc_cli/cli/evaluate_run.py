"""Running `esc eval`: progress, tables, files, exit code."""

from __future__ import annotations

from dataclasses import dataclass, replace

import typer

from esc_cli.cli.console import command_line, print_line, print_rows, stderr
from esc_cli.cli.fetching import supply
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.errors import StoppedError, shown
from esc_cli.tasks.evaluate.events import (
    EvalEvent,
    EvalOptions,
    Failed,
    Scored,
    SetDone,
    SetStarted,
    Timings,
)
from esc_cli.tasks.evaluate.report import Findings, Outputs, departures, doubts, set_rows, write
from esc_cli.tasks.evaluate.run import Evaluation
from esc_cli.tasks.stop import Stop


@dataclass(frozen=True)
class Run:
    """How the command runs an evaluation, and what it prints of it."""

    per_picture: bool
    timings: bool
    offline: bool


def run(options: EvalOptions, outputs: Outputs, how: Run) -> None:
    """Run an evaluation; ends in typer.Exit with the exit code, or in an EscError."""
    outputs.check_before_work()
    stop, findings = Stop(), Findings()
    options = replace(options, supply=supply(offline=how.offline))
    evaluation = Evaluation(options, stop)
    with stopping_on_signals(stop):
        try:
            for event in evaluation.run():
                if isinstance(event, Scored | SetDone):
                    findings.add(event)
                _show(event, how)
        except StoppedError as stopped:
            print_line(f"{stopped}: no files are written; the next run goes on here", "bold red")
            raise typer.Exit(stopped.exit_code) from None
    if findings.cached:
        print_line(f"{findings.cached} scores are those of earlier runs (--no-cache redoes them)")
    write(findings, outputs, command_line())
    problems = [] if evaluation.failures else departures(findings, outputs)
    for problem in problems:
        print_line(f"differs from the published value: {problem}", "red")
    raise typer.Exit(1 if evaluation.failures or problems else 0)


def _show(event: EvalEvent, how: Run) -> None:
    if isinstance(event, SetStarted):
        methods = ", ".join(event.methods)
        print_line(f"{event.dataset} x{event.scale}: {event.images} pictures, {methods}")
    elif isinstance(event, Scored):
        _show_score(event)
    elif isinstance(event, Failed):
        print_line(f"failed: {event.what}: {event.reason}", "red")
    elif isinstance(event, SetDone):
        for title, rows in set_rows(event, per_picture=how.per_picture).items():
            print_rows(title, rows)
        for text in doubts(event):
            print_line(f"note: {text}", "yellow")
    elif how.timings:
        _show_timings(event)


def _show_score(event: Scored) -> None:
    for note in event.notes:
        print_line(f"note: {shown(event.score.image)}: {note}", "yellow")
    if not event.cached and stderr.is_terminal:
        print_line(f"  {shown(event.score.image)}, {event.score.method}: {event.text}", "dim")


def _show_timings(timings: Timings) -> None:
    total = sum(timings.seconds.values()) or 1.0
    for stage, seconds in timings.seconds.items():
        print_line(f"{stage:>9} {seconds:8.2f} s {100 * seconds / total:5.1f} %")
