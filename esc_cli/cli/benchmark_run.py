"""Running `esc bench`: progress, tables, files, exit code."""

from __future__ import annotations

import typer

from esc_cli.cli.console import print_line, print_rows
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.errors import StoppedError
from esc_cli.tasks.benchmark.events import (
    BenchEvent,
    BenchFailed,
    BenchOptions,
    BenchStarted,
    Measured,
)
from esc_cli.tasks.benchmark.report import (
    Findings,
    Outputs,
    bench_notes,
    forward_rows,
    further_tables,
    write,
)
from esc_cli.tasks.benchmark.run import Benchmark
from esc_cli.tasks.stop import Stop


def run(options: BenchOptions, outputs: Outputs) -> None:
    """Run a benchmark; ends in typer.Exit with the exit code, or in an EscError."""
    outputs.check_before_work()
    stop, findings = Stop(), Findings()
    benchmark = Benchmark(options, stop)
    with stopping_on_signals(stop):
        try:
            for event in benchmark.run():
                _show(event, findings)
        except StoppedError as stopped:
            print_line(f"{stopped}: no files are written", "bold red")
            raise typer.Exit(stopped.exit_code) from None
    more = further_tables(options, findings)
    notes = bench_notes(options, findings)
    if forward := forward_rows(findings):
        print_rows("one forward pass", forward)
    for title, rows in more.items():
        print_rows(title, rows)
    for note in (*notes, findings.facts):
        print_line(note)
    write(findings, outputs, notes, more)
    raise typer.Exit(1 if benchmark.failures else 0)


def _show(event: BenchEvent, findings: Findings) -> None:
    if isinstance(event, BenchStarted):
        findings.environment = event.environment
        findings.how = event.how
        print_line(f"{event.total} to measure; {event.how}")
    elif isinstance(event, Measured):
        findings.rows.append(event.row)
        print_line(f"  {event.row.label}: {event.row.median_ms:.1f} ms", "dim")
    elif isinstance(event, BenchFailed):
        print_line(f"failed: {event.what}: {event.reason}", "red")
    else:
        findings.jobs.append(event)
