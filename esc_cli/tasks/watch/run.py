"""`esc watch`: the batches of what has arrived, one after the other, by the same networks."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from esc_cli.errors import DeadlineError, UsageError
from esc_cli.files.packed_lists import Packed
from esc_cli.files.targets import check_folder
from esc_cli.media.naming import check_pattern, destination
from esc_cli.media.paths import Found, absolute, find_sources
from esc_cli.tasks.defaults import LOOK_EVERY_S, SETTLE_S
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Event, Item, Planned, Remark, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import Session, batch
from esc_cli.tasks.watch.arrivals import Arrivals
from esc_cli.tasks.watch.changes import Changes, changes_in

_NAP_S = 0.2
"""Seconds between two looks at whether to stop."""


@dataclass(frozen=True)
class WatchOptions:
    """What to watch and how. `upscale`: what is done with each file, its inputs the folders.

    settle_s: for so many seconds a file must stand still. interval_s: between two looks where the
    system tells of no changes, or with `poll`. idle_s: end after so many seconds without work.
    """

    upscale: UpscaleOptions
    settle_s: float = SETTLE_S
    interval_s: float = LOOK_EVERY_S
    poll: bool = False
    idle_s: float | None = None

    def __post_init__(self) -> None:
        """Raise UsageError for times that are none."""
        for name, value in (("settle", self.settle_s), ("interval", self.interval_s)):
            if not 0 < value < float("inf"):
                raise UsageError(f"--{name} is a number of seconds above 0, and not {value:g}")
        if self.idle_s is not None and not 0 <= self.idle_s < float("inf"):
            raise UsageError(f"--until-idle cannot be {self.idle_s:g}")


def watch(options: WatchOptions, stop: Stop) -> Iterator[Event]:
    """An `Item` for each file as it is done or has failed, at last a `Summary`.

    Raises UsageError at once; and SetupError, also later on, when the environment fails.
    """
    return _watched(options, _checked(options.upscale), stop)


def _watched(options: WatchOptions, folders: list[Path], stop: Stop) -> Iterator[Event]:
    start = time.perf_counter()
    watcher = _Watcher(options, stop)
    watcher.prepare()
    recursive = options.upscale.selection.recursive
    with changes_in(
        folders, recursive=recursive, poll=options.poll, interval_s=options.interval_s
    ) as changes:
        if changes.note:
            yield from (Remark(folder, changes.note) for folder in folders)
        yield from watcher.run(changes)
    yield watcher.summary(time.perf_counter() - start)


def _checked(options: UpscaleOptions) -> list[Path]:
    """The folders, and that results will not land among what is watched."""
    if options.has_addresses:
        raise UsageError(
            "esc watch and addresses exclude each other", advice="esc upscale takes them"
        )
    if options.name is not None:
        check_pattern(options.name)
    folders = [Path(name) for name in options.inputs]
    for folder in folders:
        if not folder.is_dir():
            raise UsageError("no such folder", folder, "esc watch takes folders")
    chosen = destination(options.inputs, options.output)
    if chosen is not None and absolute(chosen.root) in map(absolute, folders):
        raise UsageError("is watched itself", chosen.root, "choose another -o")
    if chosen is not None and options.output is not None:
        check_folder(chosen.root)  # the first arrival may be hours away
    return folders


@dataclass
class _Watcher:
    options: WatchOptions
    stop: Stop
    code: int = 0
    stopped: str = ""
    _problems: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.session = Session.of(self.options.upscale)
        self.arrivals = Arrivals(self.options.settle_s)

    def prepare(self) -> None:
        """Load the network for the scale, so that what is wrong with it shows at once."""
        models, target = self.session.models, self.options.upscale.target
        if not target.has_size:
            for choice in models.choose(target.scale or models.default_scale).networks:
                models.prepare(models.fetch(choice))

    def run(self, changes: Changes) -> Iterator[Event]:
        looked, worked, found = -float("inf"), time.monotonic(), Found()
        while not self._is_over():
            now = time.monotonic()
            waiting = self.arrivals.unsettled and now - looked >= self.options.settle_s / 2
            due = self._is_idle(worked)
            if changes.told or waiting or due or now - looked >= changes.every_s:
                found, looked = self._look(now), now
                ready = self.arrivals.settled(found.sources, now)
                if any(map(self.arrivals.is_new, ready)) or self._new_problems(found):
                    yield from self._round(replace(found, sources=Packed(ready)))
                    worked = time.monotonic()
                elif self.arrivals.unsettled:
                    worked = time.monotonic()
                elif due:
                    return
            time.sleep(_NAP_S)

    def _look(self, now: float) -> Found:
        options, chosen = self.options.upscale, None
        self.session.shelf.reread()
        try:
            chosen = destination(options.inputs, options.output)
            found = find_sources(
                options.inputs,
                options.selection,
                output_root=None if chosen is None else chosen.root,
                source_of=self.session.shelf.source_of,
                is_own=options.owns,
            )
        except UsageError:  # nothing is there, or nothing any more
            found = Found()
        self.arrivals.look(found.sources, now)
        return found

    def _new_problems(self, found: Found) -> bool:
        """Keep those of the scan that were not told yet; whether there are any."""
        found.problems = [one for one in found.problems if one[0] not in self._problems]
        self._problems.update(path for path, _ in found.problems)
        return bool(found.problems)

    def _round(self, found: Found) -> Iterator[Event]:
        for event in batch(self.options.upscale, self.session, self.stop, found):
            if isinstance(event, Item):
                yield from self._item(event)
                if event.status == "failed" and self.options.upscale.fail_fast:
                    self.code, self.stopped = 1, "the first failure (--fail-fast)"
            elif isinstance(event, Summary):
                if event.stopped:
                    self.code, self.stopped = event.exit_code, event.stopped
            elif not isinstance(event, Planned):
                yield event

    def _item(self, item: Item) -> Iterator[Event]:
        path = Path(item.input)
        if item.status != "skipped" and self.arrivals.has_changed(path):
            if path.exists():
                yield Remark(item.input, "changed while it was done, and is done again")
            return
        if self.arrivals.ended(item):
            yield item

    def _is_idle(self, worked: float) -> bool:
        """Whether to end, should one more look find nothing to do or to wait for."""
        idle = self.options.idle_s
        return idle is not None and time.monotonic() - worked >= idle

    def _is_over(self) -> bool:
        if self.stop.signal_number is not None:
            self.code, self.stopped = 128 + self.stop.signal_number, "stopped by a signal"
        elif self.stop.is_due:
            self.code, self.stopped = DeadlineError.exit_code, "the time is up"
        return bool(self.stopped)

    def summary(self, seconds: float) -> Summary:
        counts = Counter(item.status for item in self.arrivals.items.values())
        counts["failed"] += len(self._problems)
        code = self.code or (1 if counts["failed"] else 0)
        return Summary(
            counts["done"], counts["skipped"], counts["failed"], 0, seconds, code, self.stopped
        )
