"""A round: staged inputs go through a batch like any other, and its results to their place.

It is a detour of the batch (`run.Detour`): it plans with what is known of the place, and a result's
item is told once it is uploaded.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from esc_cli.errors import EscError, SetupError, shown
from esc_cli.files.digest import sha256_of
from esc_cli.files.packed_lists import Packed
from esc_cli.media.paths import Found
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.events import Item, ItemEvent, Progress, Remark
from esc_cli.tasks.upscale.input_places import InputPlaces
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Runner
from esc_cli.tasks.upscale.plan import Plan, Planner, tells_of
from esc_cli.tasks.upscale.records import FileState, OutputRecord, RecordShelf
from esc_cli.tasks.upscale.remote.entries import Entry
from esc_cli.tasks.upscale.remote.finished import source_fits
from esc_cli.tasks.upscale.remote.places import Place
from esc_cli.tasks.upscale.remote.staging import Stager

UPLOADS = 4
Pending = deque[tuple[Item, Future[float]]]
"""Items whose results are on their way, in order."""
_ADVICE = "(move it away, choose another -o, or use --existing overwrite)"


@dataclass
class Round:
    """One round. `entries`: by the path at which each is staged. `inputs`: what all are known by.

    `results`: the folder that the batch writes to. `room`: bytes that results may take. `names`:
    outputs that an earlier round has decided on.
    `deferred`: entries for which there was no room, after the plan was made.
    """

    options: UpscaleOptions
    entries: dict[Path, Entry]
    inputs: frozenset[str]
    place: Place
    stager: Stager
    results: Path
    room: int
    names: dict[Path, Path] = field(default_factory=dict)
    deferred: list[Entry] = field(default_factory=list)

    def planner(self, models: Models, shelf: RecordShelf) -> Planner:
        """What plans the staged batch."""
        return _RoundPlanner(self.options, models, shelf, self)

    def output(self, staged: Path) -> str:
        """The name of a result, below the folder of results."""
        return staged.relative_to(self.results).as_posix()

    def finish(
        self, items: Iterator[ItemEvent], shelf: RecordShelf, runner: Runner
    ) -> Iterator[ItemEvent]:
        """The events with addresses; before the item of a result, it is in its place."""
        with ThreadPoolExecutor(UPLOADS, thread_name_prefix="upload") as threads:
            pending: Pending = deque()
            for event in items:
                yield from self._ended(pending, runner, _first_is_done)
                if not isinstance(event, Item) or not self._is_to_keep(event):
                    yield self._told(event)
                    continue
                pending.append((event, threads.submit(self._kept, event, shelf)))
                yield from self._ended(pending, runner, _are_many)
            for _, future in pending:
                if runner.stop:
                    future.cancel()
            yield from self._ended(pending, runner, bool)
        self.place.write()

    def _is_to_keep(self, item: Item) -> bool:
        """Whether its result lies in the staging folder, made now or by a run that was killed."""
        output = item.output
        if self.options.dry_run or not isinstance(output, Path) or not output.is_file():
            return False
        return item.status == "done" or (
            item.status == "skipped" and output.is_relative_to(self.results)
        )

    def _kept(self, item: Item, shelf: RecordShelf) -> float:
        """Bring a result to its place; the seconds that took."""
        start = time.perf_counter()
        output, entry = Path(item.output or ""), self.entries[Path(item.input)]
        record = shelf.at(self.results).find(output)
        if record is None:
            raise ValueError("a result has a record before it has its name")
        state = entry.state
        source = record.source
        if entry.stored is not None:
            source = FileState(source.size, state.mtime_ns, source.sha256, state.version)
        made = replace(record, input=entry.text, output=self.output(output), source=source)
        self.place.keep(output, made, keep_times=self.options.keep_times)
        return time.perf_counter() - start

    def _ended(
        self, pending: Pending, runner: Runner, wanted: Callable[[Pending], bool]
    ) -> Iterator[ItemEvent]:
        """Take uploads off the front while `wanted`, waiting for each to end."""
        while pending and wanted(pending):
            item, future = pending.popleft()
            if future.cancelled():
                continue
            try:
                seconds = round(future.result(), 4)
                item = replace(item, status="done", seconds=item.seconds | {"upload": seconds})
            except EscError as error:
                if isinstance(error, SetupError):
                    runner.fatal = runner.fatal or error
                item = replace(item, status="failed", reason=error.reason)
            except Exception as error:  # noqa: BLE001 - as `stages.guarded`
                what = f"unexpected {type(error).__name__}: {error} (please report this)"
                item = replace(item, status="failed", reason=what)
            with contextlib.suppress(OSError):
                Path(item.output or "").unlink()
            yield self._told(item)
            self.place.write(when_due=True)

    def _told(self, event: ItemEvent) -> ItemEvent:
        """An event with the address of its input, and of its output."""
        entry = self.entries[Path(event.input)]
        if isinstance(event, (Progress, Remark)):
            return replace(event, input=entry.shown)
        self.stager.release(entry)
        output = event.output
        if output is not None:
            output = self.place.shown(self.output(Path(output)))
        return replace(event, input=entry.shown, output=output)


def _first_is_done(pending: Pending) -> bool:
    return pending[0][1].done()


def _are_many(pending: Pending) -> bool:
    return len(pending) > UPLOADS


class _RoundPlanner(Planner):
    """Plans a round: what is finished, or in the way, is what the place says."""

    def __init__(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, own: Round
    ) -> None:
        super().__init__(options, models, shelf)
        self.round = own

    def plan(self, found: Found | None = None, places: InputPlaces | None = None) -> Plan:
        """As of every batch; jobs without room for their results are left to a later round."""
        plan, own = super().plan(found, places), self.round
        used, kept = 0, Packed[Job]()
        for job in plan.jobs:
            need = job.disk_bytes + job.passing_bytes
            if need > own.room:
                what = f"its result would take about {need / 1e6:,.0f} MB of the staging folder"
                advice = "raise --staging-limit"
                plan.settled.append(item_of(job, "failed", f"{what} ({advice})"))
            elif used + need > own.room:
                own.deferred.append(own.entries[job.source.path])
                own.names[job.source.path] = job.output
            else:
                used += need
                kept.append(job)
        plan.jobs = kept
        if not self.options.dry_run:
            jobs = {own.output(job.output): own.entries[job.source.path].text for job in kept}
            own.place.claim(jobs)
        return plan

    def _settle(self, job: Job, plan: Plan) -> None:
        super()._settle(
            replace(job, output=self.round.names.get(job.source.path, job.output)), plan
        )

    def _in_the_way(self, job: Job) -> str:
        own, place = self.round, self.round.place
        entry, output = own.entries[job.source.path], own.output(job.output)
        target = place.shown(output)
        text = os.path.abspath(target) if isinstance(target, Path) else str(target)  # noqa: PTH100
        if text in own.inputs:
            return f"{shown(text)} is an input and would be overwritten (choose another -o)"
        if self.options.existing == "overwrite" or not place.holds(output):
            return ""
        if self.options.existing == "error":
            return "the output exists already (--existing error)"
        record = place.record(output)
        if place.is_claimed(output, entry.text) or (record and record.input == entry.text):
            return ""
        if record is None:
            what = f"{shown(text)} exists, and esc has no record of having written it"
        else:
            what = f"{shown(text)} holds the result of {shown(record.input)}"
        return f"{what} {_ADVICE}"

    def _finished(self, job: Job) -> bool:
        """In its place, or in the staging folder, where a run that was killed has left it."""
        record = self.round.place.record(self.round.output(job.output))
        stands = record is not None and self._stands(record, job)
        return stands or super()._finished(job)

    def _stands(self, record: OutputRecord, job: Job) -> bool:
        own, by_content = self.round, self.options.checksum
        entry = own.entries[job.source.path]
        if not tells_of(record, job, entry.text):
            return False
        fits = source_fits(record, entry, by_content=by_content)
        if fits is None:
            fits = record.source.sha256 == sha256_of(job.source.path)
        return fits and own.place.stands(record, by_content=by_content)
