"""`esc upscale`: options in, events out."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from esc_cli.files.atomic import remove_stale_parts
from esc_cli.media.paths import Found
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.blocks import SIZES, Blocks, Sizes, may_be_planned_in_blocks
from esc_cli.tasks.upscale.disk import check_disk, make_folders
from esc_cli.tasks.upscale.events import Event, Item, ItemEvent, Planned, Summary
from esc_cli.tasks.upscale.in_place import InPlace
from esc_cli.tasks.upscale.job import StreamedJob, item_of
from esc_cli.tasks.upscale.network_step import local_steps
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline, Runner
from esc_cli.tasks.upscale.plan import Plan, Planner
from esc_cli.tasks.upscale.records import RecordShelf


class Detour(Protocol):
    """What becomes of a batch whose results do not go where they belong at once."""

    @property
    def options(self) -> UpscaleOptions:
        """Of the batch that is staged."""

    def planner(self, models: Models, shelf: RecordShelf) -> Planner:
        """What plans it."""

    def finish(
        self, items: Iterator[ItemEvent], shelf: RecordShelf, runner: Runner
    ) -> Iterator[ItemEvent]:
        """Its events, when results are where they belong."""


@dataclass(frozen=True)
class Session:
    """What one batch after the other shares: the networks that are loaded, and the records."""

    models: Models
    shelf: RecordShelf
    detour: Detour | None = None

    @classmethod
    def of(cls, options: UpscaleOptions) -> Session:
        """Nothing loaded, nothing read."""
        return cls(
            Models(options.model, options.engines[0], options.supply, options.denoise),
            RecordShelf("" if options.shard is None else options.shard.name),
            InPlace.of(options) if options.in_place else None,
        )


def upscale(
    options: UpscaleOptions, stop: Stop | None = None, sizes: Sizes = SIZES
) -> Iterator[Event]:
    """Plan and run a batch: `Planned`, then an `Item` per input, then a `Summary`.

    `Remark` and `Progress` of a video come before its item. Work is done as the events are taken;
    closing the iterator ends the batch, and `stop` ends it with a summary. Raises UsageError and
    SetupError (weights, device, disk, a network that cannot be fetched) before any work starts,
    and StoppedError while a network is fetched; later errors are in the items, and in the summary's
    exit code. `sizes`: how a large batch is planned.
    """
    start, stop = time.perf_counter(), Stop() if stop is None else stop
    if options.has_addresses:
        from esc_cli.tasks.upscale.remote.run import upscale_remote

        yield from upscale_remote(options, stop)
        return
    session = Session.of(options)
    if not may_be_planned_in_blocks(options):
        yield from batch(options, session, stop)
        return
    found = Planner(options, session.models, session.shelf).find()
    if len(found.sources) <= sizes.whole:
        yield from batch(options, session, stop, found, start)
        return
    from esc_cli.tasks.upscale.streamed import streamed

    blocks = Blocks(options, session.models, found, sizes)
    yield from streamed(options, session, stop, blocks, start)


def batch(
    options: UpscaleOptions,
    session: Session,
    stop: Stop,
    found: Found | None = None,
    start: float | None = None,
) -> Iterator[Event]:
    """As `upscale`, planned whole; `found` stands for the inputs where they have been looked for
    already, which began at `start`."""
    start = time.perf_counter() if start is None else start
    shelf, models = session.shelf, session.models
    detour = session.detour
    if detour is None:
        plan = Planner(options, models, shelf).plan(found)
    else:
        options = detour.options
        plan = detour.planner(models, shelf).plan(found)
    check_disk(plan.jobs, options)
    if not options.dry_run:
        fetch_networks(plan, models)
    yield planned(plan)
    runner = runner_of(options, models, shelf, stop)
    items: Iterator[ItemEvent]
    items = planned_items(plan, models, options, {}) if options.dry_run else _items(plan, runner)
    if detour is not None:
        items = detour.finish(items, shelf, runner)
    counts = Counts(options)
    yield from counts.until_the_end(items)
    total = len(plan.jobs) + len(plan.settled)
    yield counts.summary(total, time.perf_counter() - start, runner)


def runner_of(options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop) -> Runner:
    """What runs the jobs: this machine, or those of a cluster."""
    if options.cluster is None:
        return Pipeline(options, local_steps(options, models, shelf, stop), shelf, stop)
    from esc_cli.tasks.upscale.cluster.driver import ClusterPipeline

    return ClusterPipeline(options, options.cluster, stop)


def fetch_networks(plan: Plan, models: Models) -> None:
    """Fetch the networks that the jobs need and that are not here, before anything is shown."""
    for choice in networks_of(plan):
        models.fetch(choice)


def networks_of(plan: Plan) -> Iterable[Choice]:
    """Every network that the jobs may need, once."""
    choices = (job.choice for job in plan.jobs if job.choice is not None)
    return {one.checkpoint.path: one for choice in choices for one in choice.networks}.values()


def _items(plan: Plan, runner: Runner) -> Iterator[ItemEvent]:
    yield from plan.settled
    if plan.jobs:
        with runner.prepared(networks_of(plan)):
            make_folders(plan.jobs)
            for folder in dict.fromkeys(job.output.parent for job in plan.jobs):
                remove_stale_parts(folder)
            yield from runner.run(plan.jobs)


def planned_items(
    plan: Plan, models: Models, options: UpscaleOptions, known: dict[Any, Any]
) -> Iterator[Item]:
    """The items of a dry run. `known`: as of `StreamedJob.forecast`."""
    yield from plan.settled
    for job in plan.jobs:
        item = replace(item_of(job, "planned"), output_bytes=job.bytes_estimate)
        if isinstance(job, StreamedJob):
            found = job.forecast(models, options, known)
            item = replace(item, frames=found.frames, notes=found.notes)
            if found.bytes is not None:
                item = replace(item, output_bytes=found.bytes)
        yield item


def planned(plan: Plan) -> Planned:
    """What is told of a plan."""
    pixels = sum(job.header.width * job.header.height * job.header.frames for job in plan.jobs)
    return Planned(
        total=len(plan.jobs) + len(plan.settled),
        to_do=len(plan.jobs),
        megapixels=pixels / 1e6,
        bytes_estimate=plan.bytes_estimate,
        no_pictures=plan.found.no_pictures,
        earlier_outputs=plan.found.earlier_outputs,
        empty_folders=tuple(plan.found.empty_folders),
        of_other_shares=plan.of_other_shares,
    )


class Counts:
    """How many items of a batch became what."""

    def __init__(self, options: UpscaleOptions) -> None:
        self._fail_fast = options.fail_fast
        self._counts: Counter[str] = Counter()

    def until_the_end(self, items: Iterator[ItemEvent]) -> Iterator[ItemEvent]:
        """The events, up to the first failure where that ends it."""
        for item in items:
            yield item
            if isinstance(item, Item):
                self._counts[item.status] += 1
                if self._fail_fast and item.status == "failed":
                    return

    def summary(self, total: int, seconds: float, runner: Runner, why: str = "") -> Summary:
        """The end of it. `why`: what ended it, where no item has told."""
        counts = self._counts
        reason, code = "", 1 if counts["failed"] else 0
        if runner.fatal is not None:
            reason, code = "what is left was not tried", runner.fatal.exit_code
            reason = f"{why}: {reason}" if why else reason
        elif runner.late is not None:
            reason, code = str(runner.late), runner.late.exit_code
        if runner.stop.signal_number is not None:
            reason, code = "stopped by a signal", 128 + runner.stop.signal_number
        return Summary(
            done=counts["done"],
            skipped=counts["skipped"],
            failed=counts["failed"],
            left=total - sum(counts.values()),
            seconds=seconds,
            exit_code=code,
            stopped=reason,
            shared=counts["shared"],
        )
