"""Running `esc eval`: progress, tables, files, exit code."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import platformdirs
import typer

from esc_cli.cli.console import print_line, stderr
from esc_cli.cli.data import known_roots
from esc_cli.cli.fetching import supply
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.cli.tables import print_table
from esc_cli.errors import StoppedError, UsageError, shown
from esc_cli.evaluation.export import to_csv, to_json, to_markdown
from esc_cli.evaluation.html import Facts, render_report
from esc_cli.evaluation.results import Table, Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_outputs
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.evaluate.events import (
    EvalEvent,
    EvalOptions,
    Failed,
    Scored,
    SetDone,
    SetStarted,
    Timings,
)
from esc_cli.tasks.evaluate.run import Evaluation, differences
from esc_cli.tasks.stop import Stop


@dataclass(frozen=True)
class Outputs:
    """What to make of the scores."""

    json: Path | None
    csv: Path | None
    markdown: Path | None
    report: Path | None
    check: float | None
    per_picture: bool
    timings: bool

    def check_before_work(self) -> None:
        """Raise UsageError or DiskError for what would fail only after all the computing."""
        if self.check is not None and not 0 <= self.check < float("inf"):
            raise UsageError(f"--check {self.check} is no tolerance in dB")
        check_outputs(
            {".json": self.json, ".csv": self.csv, ".md": self.markdown, ".html": self.report}
        )


@dataclass
class _Collected:
    tables: list[Table] = field(default_factory=list)
    visuals: list[Visual] = field(default_factory=list)
    cached: int = 0


def data_roots(chosen: Path | None) -> tuple[Path, ...]:
    """Where datasets are looked for: --data-root, $ESC_DATA, the cache."""
    return known_roots() if chosen is None else (chosen, *known_roots())


def cache_file() -> Path:
    """Where scores of earlier runs are kept."""
    return platformdirs.user_cache_path("esc") / "scores.jsonl"


def run(options: EvalOptions, outputs: Outputs, *, offline: bool) -> None:
    """Run an evaluation; ends in typer.Exit with the exit code, or in an EscError."""
    outputs.check_before_work()
    stop = Stop()
    options = replace(options, supply=supply(offline=offline))
    collected = _Collected()
    evaluation = Evaluation(options, stop)
    with stopping_on_signals(stop):
        try:
            for event in evaluation.run():
                _show(event, collected, outputs)
        except StoppedError as stopped:
            print_line(f"{stopped}: no files are written; the next run goes on here", "bold red")
            raise typer.Exit(stopped.exit_code) from None
    if collected.cached:
        print_line(f"{collected.cached} scores are those of earlier runs (--no-cache redoes them)")
    _write(collected, outputs)
    failed = evaluation.failures or _differs(collected.tables, outputs.check)
    raise typer.Exit(1 if failed else 0)


def _show(event: EvalEvent, collected: _Collected, outputs: Outputs) -> None:
    if isinstance(event, SetStarted):
        methods = ", ".join(event.methods)
        print_line(f"{event.dataset} x{event.scale}: {event.images} pictures, {methods}")
    elif isinstance(event, Scored):
        collected.cached += event.cached
        for note in event.notes:
            print_line(f"note: {shown(event.score.image)}: {note}", "yellow")
        if not event.cached and stderr.is_terminal:
            values = ", ".join(f"{name} {v:.4f}" for name, v in event.score.values.items())
            print_line(f"  {shown(event.score.image)}, {event.score.method}: {values}", "dim")
    elif isinstance(event, Failed):
        print_line(f"failed: {event.what}: {event.reason}", "red")
    elif isinstance(event, SetDone):
        collected.tables.append(event.table)
        collected.visuals.extend(event.visuals)
        print_table(event.table, outputs.per_picture)
    elif outputs.timings:
        _show_timings(event)


def _show_timings(timings: Timings) -> None:
    total = sum(timings.seconds.values()) or 1.0
    for stage, seconds in timings.seconds.items():
        print_line(f"{stage:>9} {seconds:8.2f} s {100 * seconds / total:5.1f} %")


def _write(collected: _Collected, outputs: Outputs) -> None:
    tables, environment = collected.tables, environment_facts()
    if outputs.json is not None:
        write_atomic(outputs.json, _encoded(to_json(tables, environment)))
    if outputs.csv is not None:
        write_atomic(outputs.csv, _encoded(to_csv(tables)))
    if outputs.markdown is not None:
        write_atomic(outputs.markdown, _encoded(to_markdown(tables)))
    if outputs.report is not None:
        names = ", ".join(dict.fromkeys(table.dataset for table in tables))
        facts = Facts(f"esc eval: {names}", command_line(), environment)
        page = render_report(tables, collected.visuals, facts)
        write_atomic(outputs.report, page.encode())


def _encoded(text: str) -> bytes:
    """UTF-8; bytes of file names that are none are escaped."""
    return text.encode("utf-8", "backslashreplace")


def command_line() -> str:
    """The command as it was given, for reports."""
    return shlex.join(["esc", *sys.argv[1:]])


def _differs(tables: list[Table], most: float | None) -> bool:
    """Whether a mean is too far from the published one. Raises UsageError if none was published."""
    if most is None:
        return False
    problems, compared = differences(tables, most)
    if not compared:
        raise UsageError("--check: nothing is published for these models, sets and scales")
    for problem in problems:
        print_line(f"differs from the published value: {problem}", "red")
    return bool(problems)
