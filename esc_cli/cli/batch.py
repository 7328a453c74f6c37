"""Running `esc upscale` once its options are known: a batch, or one picture through a pipe."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import typer

from esc_cli.cli.pulling import supply
from esc_cli.cli.render import Renderer
from esc_cli.cli.signals import raising_on_signals, stopping_on_signals
from esc_cli.errors import UsageError, WriteError
from esc_cli.media.atomic import write_atomic
from esc_cli.media.paths import is_missing
from esc_cli.media.source import read_source
from esc_cli.tasks.options import STANDARD_STREAM, UpscaleOptions
from esc_cli.tasks.report import Report
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.stream import upscale_bytes
from esc_cli.tasks.upscale import upscale


def run(options: UpscaleOptions, report: Path | None, *, quiet: bool, offline: bool) -> None:
    """Run a batch or a pipe; ends in typer.Exit with the exit code, or in an EscError."""
    options = replace(options, supply=supply(offline=offline, quiet=quiet))
    if STANDARD_STREAM in (*options.inputs, options.output):
        if report is not None or options.dry_run:
            raise UsageError("--report and --dry-run do not go with -")
        with raising_on_signals():
            _stream(options)
        return
    stop = Stop()
    with stopping_on_signals(stop):
        _batch(options, stop, report, quiet)


def _batch(options: UpscaleOptions, stop: Stop, report: Path | None, quiet: bool) -> None:
    writer = None if report is None else Report(report)
    renderer = Renderer(quiet, options.dry_run, writer)
    raise typer.Exit(renderer.run(upscale(options, stop)))


def _stream(options: UpscaleOptions) -> None:
    """One picture, from stdin or to stdout."""
    if len(options.inputs) != 1:
        raise UsageError("- stands for one picture, and there are several inputs")
    own = options.inputs[0]
    named = options.output not in (None, STANDARD_STREAM)
    target = Path(str(options.output))
    if named and options.existing != "overwrite" and not is_missing(str(options.output)):
        raise WriteError("exists already", target, "choose another -o, or --existing overwrite")
    content = sys.stdin.buffer.read() if own == STANDARD_STREAM else read_source(Path(own))
    if named and options.format is None:
        options = replace(options, format=target.suffix[1:] or None)
    result = upscale_bytes(content, options, Stop())
    if named:
        write_atomic(target, result)
        return
    try:
        sys.stdout.buffer.write(result)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise WriteError(f"stdout cannot be written: {error.strerror}") from error
