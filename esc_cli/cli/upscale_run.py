"""Running `esc upscale` once its options are known: a batch, or one picture through a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from esc_cli.cli.console import (
    abandon_stdout,
    command_line,
    print_line,
    print_result,
    stderr,
)
from esc_cli.cli.fetching import supply
from esc_cli.cli.signals import raising_on_signals, stopping_on_signals
from esc_cli.errors import StoppedError, UsageError, WriteError, counted, shown
from esc_cli.tasks.defaults import COMPARED_PICTURES
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Event, Item, Planned, Remark, Report, Summary
from esc_cli.tasks.upscale.events import Progress as VideoProgress
from esc_cli.tasks.upscale.options import STANDARD_STREAM, UpscaleOptions
from esc_cli.tasks.upscale.pipe import upscale_one
from esc_cli.tasks.upscale.run import upscale

PLAIN_INTERVAL_S = 10.0
"""Least seconds between two lines of progress where there is no terminal."""


@dataclass
class Renderer:
    """Shows events; `run` returns the exit code of the summary."""

    quiet: bool
    dry_run: bool
    report: Report | None
    share: str = ""
    _progress: Progress | None = None
    _task: TaskID | None = None
    items: list[dict[str, Any]] | None = None
    """For the page at the end, as in a report; None without one."""
    models: Counter[str] = field(default_factory=Counter)
    """The names of networks, and how many items each has done."""
    _total: int = 0
    _seen: int = 0
    _told: set[tuple[os.PathLike[str], str]] = field(default_factory=set)
    _start: float = field(default_factory=time.monotonic)
    _last_line: float = field(default_factory=time.monotonic)

    def run(self, events: Iterable[Event]) -> int:
        """Show all events."""
        code = 0
        if self.report is not None and self.share:
            self.report.begin(self.share)
        try:
            for event in events:
                if isinstance(event, Planned):
                    self._begin(event)
                elif isinstance(event, Item):
                    self._item(event)
                elif isinstance(event, Remark):
                    self._told.add((event.input, event.text))
                    print_line(f"note: {shown(event.input)}: {event.text}", "yellow")
                elif isinstance(event, VideoProgress):
                    self._video(event)
                else:
                    self._close_progress()
                    self._end(event)
                    if self.report is not None and self.share:
                        self.report.end(self.share, event)
                    code = event.exit_code
        finally:
            self._close_progress()
            if self.report is not None:
                self.report.close()
        return code

    def _begin(self, plan: Planned) -> None:
        self._total = plan.total
        for path in plan.earlier_outputs:
            self._say(f"left out, an earlier output: {shown(path)}")
        for folder in plan.empty_folders:
            print_line(f"no pictures or videos found in {shown(folder)}", "yellow")
        if plan.of_other_shares:
            others = counted(plan.of_other_shares, "input")
            self._say(f"share {self.share}: {others} of other shares left to them")
        if plan.no_pictures:
            self._say(f"left out: {plan.no_pictures} files that are no pictures or videos")
        if self.dry_run:
            self._say(_to_do(plan))
        elif (plan.to_do or plan.looked_at is not None) and stderr.is_terminal and not self.quiet:
            self._progress = _progress_bar()
            self._task = self._progress.add_task("", total=plan.total)
            self._progress.start()

    def _item(self, item: Item) -> None:
        self._seen += 1
        if self.report is not None:
            self.report.add(item)
        if self.items is not None:
            self.items.append(item.as_json())
        if item.status == "failed":
            print_line(f"failed: {shown(item.input)}: {item.reason}", "red")
        elif item.status in ("planned", "shared"):
            self._say_undone(item)
        elif item.status == "done":
            self.models.update([item.model] if item.model else [])
            if item.output is not None and not self.quiet:
                print_result(shown(item.output))
        for note in item.notes:
            if (item.input, note) not in self._told:
                self._say(f"note: {shown(item.input)}: {note}")
        self._advance()

    def _video(self, video: VideoProgress) -> None:
        """How far a video is: on the bar, or in a line now and then."""
        of_all = "" if video.total is None else f" of {video.total}"
        text = f"{shown(video.input.name)}: {video.unit} {video.done}{of_all}"
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, description=text)
        elif time.monotonic() - self._last_line >= PLAIN_INTERVAL_S:
            self._last_line = time.monotonic()
            self._say(text)

    def _say_undone(self, item: Item) -> None:
        if item.status == "shared":
            self._say(f"shared: {shown(item.input)}: {item.reason}")
            return
        width, height = item.output_size or (0, 0)
        name = "" if item.output is None else shown(item.output)
        expected = _bytes(item.output_bytes or 0)
        print_result(f"would write {name} ({width} x {height}, about {expected})")

    def _advance(self) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=self._seen, description="")
        elif not self.dry_run and time.monotonic() - self._last_line >= PLAIN_INTERVAL_S:
            self._last_line = time.monotonic()
            rate = self._seen / (self._last_line - self._start)
            left = (self._total - self._seen) / rate
            self._say(f"{self._seen} of {self._total}, {rate:.2f} per s, {left:.0f} s left")

    def _end(self, summary: Summary) -> None:
        if summary.stopped:
            print_line(f"stopped: {summary.stopped}", "bold red")
        counts = f"{summary.done} done, {summary.skipped} skipped, {summary.failed} failed"
        counts += f", {summary.shared} shared" if summary.shared else ""
        left = f", {summary.left} left" if summary.left else ""
        if summary.planned is not None:
            self._say(_to_do(summary.planned))
        if not self.dry_run:
            self._say(f"{counts}{left} in {summary.seconds:.1f} s")

    def _say(self, text: str) -> None:
        if not self.quiet:
            print_line(text)

    def _close_progress(self) -> None:
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


class _RateColumn(ProgressColumn):
    """Items per second."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.2f} per s")


def _progress_bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        _RateColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=stderr,
        transient=True,
        # Rich would send what goes to stdout to its own terminal, past a pipe or a file.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )


def _to_do(plan: Planned) -> str:
    size = f"{plan.megapixels:,.1f} megapixels in, about {_bytes(plan.bytes_estimate)} out"
    text = f"{plan.to_do} of {plan.total} to do: {size}"
    return text if plan.looked_at is None else f"about {text}, as the first {plan.looked_at} go"


def _bytes(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


@dataclass(frozen=True)
class Run:
    """How the command runs a batch. `seconds` is the time it has, None for all it needs."""

    report: Path | None = None
    quiet: bool = False
    offline: bool = False
    seconds: float | None = None
    input_format: str | None = None
    html: Path | None = None


def run(options: UpscaleOptions, how: Run) -> None:
    """Run a batch or a pipe; ends in typer.Exit with the exit code, or in an EscError."""
    options = replace(options, supply=supply(offline=how.offline, quiet=how.quiet))
    if options.has_addresses and how.html:
        raise UsageError("--html shows local files, and does not go with addresses")
    if options.has_addresses and STANDARD_STREAM in (*options.inputs, options.output):
        raise UsageError("- is a pipe, and does not go with addresses")
    if STANDARD_STREAM in (*options.inputs, options.output):
        if how.report or how.html or options.dry_run or how.seconds is not None:
            raise UsageError(
                "--report, --html, --dry-run, --deadline and --max-minutes do not go with -"
            )
        if options.shard is not None:
            raise UsageError("--shard shares out folders, and does not go with -")
        if options.cluster is not None:
            raise UsageError("--cluster works on files that all machines see, and not on -")
        with raising_on_signals():
            _stream(options, how.input_format)
        return
    if how.input_format is not None:
        raise UsageError("--input-format is for stdin", advice="give - as the input")
    stop = Stop()
    if how.seconds is not None:
        stop.limit(how.seconds)
    with stopping_on_signals(stop):
        _batch(options, stop, how)


def _stream(options: UpscaleOptions, input_format: str | None) -> None:
    try:
        if input_format is None:
            upscale_one(options, _read_stdin, _write_stdout)
        else:
            _video_stream(options, input_format)
    except StoppedError:
        abandon_stdout()
        raise


def _batch(options: UpscaleOptions, stop: Stop, how: Run) -> None:
    writer = None if how.report is None else Report(how.report)
    share = "" if options.shard is None else options.shard.text
    items: list[dict[str, Any]] | None = None if how.html is None else []
    renderer = Renderer(how.quiet, options.dry_run, writer, share, items=items)
    write_page = None if how.html is None else _page(how.html, options)
    code = renderer.run(upscale(options, stop))
    if write_page is not None and items:
        write_page(items)
    if stderr.is_terminal and not how.quiet:
        _tell_better_weights(renderer.models, how)
    raise typer.Exit(code)


def _page(output: Path, options: UpscaleOptions) -> Callable[[list[dict[str, Any]]], None]:
    """What writes the page of items; that it can be written is looked at before the work."""
    from esc_cli.tasks.report.gallery import GalleryOptions, write_gallery

    page = GalleryOptions(output, COMPARED_PICTURES, options.max_pixels, command_line())
    page.check_before_work()
    return lambda items: write_gallery(items, page)


def _tell_better_weights(models: Counter[str], how: Run) -> None:
    from esc_cli.tasks.weights.advice import better_weights, is_due

    line = better_weights(models, offline=how.offline)
    if line and is_due():
        print_line(line)


def _read_stdin() -> bytes:
    return sys.stdin.buffer.read()


def _write_stdout(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        raise WriteError(f"stdout cannot be written: {error.strerror}") from error


def _video_stream(options: UpscaleOptions, input_format: str) -> None:
    """Raw video, from stdin to stdout."""
    from esc_cli.tasks.upscale.video.pipe import upscale_y4m

    if input_format != "y4m":
        raise UsageError(f"--input-format {input_format!r} is not known", advice="y4m")
    if options.inputs != (STANDARD_STREAM,) or options.output not in (None, STANDARD_STREAM):
        what = "--input-format y4m goes from stdin to stdout"
        raise UsageError(what, advice="esc upscale - -o - --input-format y4m")
    if options.provenance:
        raise UsageError("--provenance: raw video holds no text", advice="leave it out")
    # Without a buffer, whose lock a thread that waits for input would hold at the end for ever.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stdin:
        upscale_y4m(stdin, sys.stdout.buffer, options)
