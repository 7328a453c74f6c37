"""Running `esc upscale` once its options are known: a batch, or one picture through a pipe."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from esc_cli.cli.lookup import tell_overlooked
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


@dataclass(frozen=True)
class Run:
    """How the command runs a batch. `seconds` is the time it has, None for all it needs."""

    report: Path | None = None
    quiet: bool = False
    offline: bool = False
    seconds: float | None = None
    input_format: str | None = None


def run(options: UpscaleOptions, how: Run) -> None:
    """Run a batch or a pipe; ends in typer.Exit with the exit code, or in an EscError."""
    options = replace(options, supply=supply(offline=how.offline, quiet=how.quiet))
    tell_overlooked(options.model)
    if STANDARD_STREAM in (*options.inputs, options.output):
        if how.report is not None or options.dry_run or how.seconds is not None:
            raise UsageError("--report, --dry-run, --deadline and --max-minutes do not go with -")
        with raising_on_signals():
            if how.input_format is None:
                _stream(options)
            else:
                _video_stream(options, how.input_format)
        return
    if how.input_format is not None:
        raise UsageError("--input-format is for stdin", advice="give - as the input")
    stop = Stop()
    if how.seconds is not None:
        stop.limit(how.seconds)
    with stopping_on_signals(stop):
        _batch(options, stop, how)


def _batch(options: UpscaleOptions, stop: Stop, how: Run) -> None:
    writer = None if how.report is None else Report(how.report)
    renderer = Renderer(how.quiet, options.dry_run, writer)
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


def _video_stream(options: UpscaleOptions, input_format: str) -> None:
    """Raw video, from stdin to stdout."""
    from esc_cli.tasks.video.pipe import upscale_y4m

    if input_format != "y4m":
        raise UsageError(f"--input-format {input_format!r} is not known", advice="y4m")
    if options.inputs != (STANDARD_STREAM,) or options.output not in (None, STANDARD_STREAM):
        what = "--input-format y4m goes from stdin to stdout"
        raise UsageError(what, advice="esc upscale - -o - --input-format y4m")
    # Without a buffer, whose lock a thread that waits for input would hold at the end for ever.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        upscale_y4m(stdin, sys.stdout.buffer, options)
