"""Running `esc watch` once its options are known."""

from __future__ import annotations

from dataclasses import dataclass, replace

import typer

from esc_cli.cli.console import print_line
from esc_cli.cli.fetching import supply
from esc_cli.cli.signals import stopping_on_signals
from esc_cli.cli.upscale_run import Renderer, Run
from esc_cli.errors import UsageError, shown
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Report
from esc_cli.tasks.upscale.options import STANDARD_STREAM
from esc_cli.tasks.watch.run import WatchOptions, watch


@dataclass
class _WatchRenderer(Renderer):
    """A line for each file; there is no end that progress could be measured by."""

    def _advance(self) -> None:
        return


def run(options: WatchOptions, how: Run) -> None:
    """Watch until a signal, a deadline or idleness; ends in typer.Exit, or in an EscError."""
    batch = replace(options.upscale, supply=supply(offline=how.offline, quiet=how.quiet))
    if STANDARD_STREAM in (*batch.inputs, batch.output):
        raise UsageError("a folder is watched, and no pipe")
    stop = Stop()
    if how.seconds is not None:
        stop.limit(how.seconds)
    renderer = _WatchRenderer(
        how.quiet,
        dry_run=False,
        report=None if how.report is None else Report(how.report),
        share="" if batch.shard is None else batch.shard.text,
    )
    with stopping_on_signals(stop):
        events = watch(replace(options, upscale=batch), stop)
        if not how.quiet:
            print_line(f"watching {', '.join(map(shown, batch.inputs))}")
        code = renderer.run(events)
    raise typer.Exit(code)
