"""A batch that is planned as it goes on, block after block: the first picture need not wait for the
header of the last."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from esc_cli.errors import DeadlineError, DiskError, EscError, StoppedError
from esc_cli.files.atomic import remove_stale_parts
from esc_cli.media.paths import Found, Source
from esc_cli.tasks.models import Choice
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.blocks import Blocks
from esc_cli.tasks.upscale.disk import Needs, check_disk, make_folders
from esc_cli.tasks.upscale.events import Event, ItemEvent, Planned, Remark
from esc_cli.tasks.upscale.input_kind import InputKind
from esc_cli.tasks.upscale.job import Job, Settled
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Runner
from esc_cli.tasks.upscale.plan import Plan, Planner
from esc_cli.tasks.upscale.run import (
    Counts,
    Session,
    fetch_networks,
    networks_of,
    planned,
    planned_items,
    runner_of,
)


def streamed(
    options: UpscaleOptions, session: Session, stop: Stop, blocks: Blocks, start: float
) -> Iterator[Event]:
    """As `upscale`; what `Planned` tells is estimated from the first block."""
    planner = Planner(options, session.models, session.shelf)
    plan = planner.plan(blocks.first(), blocks.places)
    needs = Needs(options)
    needs.add(plan.jobs)
    needs.check()
    if not options.dry_run:
        fetch_networks(plan, session.models)
    first = planned(plan)
    yield first if blocks.is_whole else _estimated(first, blocks)
    yield from _remarks(needs, blocks)
    runner = runner_of(options, session.models, session.shelf, stop)
    stream = _Stream(planner, session, blocks, runner)
    counts = Counts(options)
    yield from counts.until_the_end(stream.dry(plan) if options.dry_run else stream.items(plan))
    summary = counts.summary(blocks.total, time.perf_counter() - start, runner, stream.told)
    yield replace(summary, planned=stream.sums)


def _estimated(first: Planned, blocks: Blocks) -> Planned:
    """What is told of the whole, where the first block was planned."""
    growth = blocks.growth
    return replace(
        first,
        total=blocks.total,
        to_do=round(first.to_do * growth),
        megapixels=first.megapixels * growth,
        bytes_estimate=round(first.bytes_estimate * growth),
        looked_at=blocks.first_count,
    )


def _remarks(needs: Needs, blocks: Blocks) -> Iterator[Remark]:
    """That the disk is too small for the whole, if it is as large as the first block says."""
    try:
        needs.check(blocks.growth)
    except DiskError as error:
        text = f"{error.what}, as the first inputs go; the batch ends where the disk is full"
        yield Remark(error.path or Path(), text)


class _NotBeside(Exception):  # noqa: N818 - none
    """A block cannot be planned beside the work."""


class _PlannerBeside(Planner):
    """Plans while a batch is at work, in whichever thread asks for more of it."""

    def _draft(self, kind: InputKind, source: Source, root: Path) -> Job:
        """Beside workers nothing is decoded here."""
        if not (kind.drafts_beside or self.options.cluster):
            raise _NotBeside
        return super()._draft(kind, source, root)

    def _identified(self, job: Job) -> Job:
        """Fetching belongs to the main thread, which hears of signals."""
        if job.choice is not None and not (job.choice.sha256 or self.options.dry_run):
            raise _NotBeside
        return super()._identified(job)


@dataclass
class _Stream:
    """What runs the blocks.

    `told`: why the batch could not be planned to its end; "" if it was. `sums`: what a dry run came
    to, where the first block is not all.
    """

    planner: Planner
    session: Session
    blocks: Blocks
    runner: Runner
    told: str = ""
    sums: Planned | None = None
    _networks: dict[Path, Choice] = field(default_factory=dict)
    _tidied: set[Path] = field(default_factory=set)
    _error: Exception | None = None
    _waiting: Found | Plan | None = None

    def __post_init__(self) -> None:
        """Nothing but the first block is planned."""
        self.options = self.planner.options
        self._later = self.blocks.later()
        self._beside = _PlannerBeside(self.options, self.session.models, self.session.shelf)

    def items(self, plan: Plan | None) -> Iterator[ItemEvent]:
        """The events of all blocks; the first is planned.

        What is planned beside the work goes to the runner that is at it. A block that needs what
        only this thread may do, or a network that the runner was not prepared for, waits until the
        runner has come to its end, and then it is prepared anew.
        """
        is_first = True
        while plan is not None:
            yield from plan.settled
            if plan.jobs:
                yield from self._run(plan, is_first=is_first)
            plan, is_first = self._next(), False

    def dry(self, plan: Plan | None) -> Iterator[ItemEvent]:
        """What would be done with all blocks, and at last whether the disk takes it."""
        needs, known = Needs(self.options), dict[Any, Any]()
        to_do, megapixels, size = 0, 0.0, 0
        first = None if plan is None else planned(plan)
        while plan is not None:
            yield from planned_items(plan, self.session.models, self.options, known)
            own = planned(plan)
            to_do, megapixels = to_do + own.to_do, megapixels + own.megapixels
            size += own.bytes_estimate
            needs.add(plan.jobs)
            plan = self._next()
        if first is not None and not (self._is_over() or self.blocks.is_whole):
            sums = replace(first, to_do=to_do, megapixels=megapixels, bytes_estimate=size)
            self.sums = replace(sums, total=self.blocks.total)
        try:
            needs.check()
        except DiskError as error:
            self._end(error)

    def _run(self, plan: Plan, *, is_first: bool) -> Iterator[ItemEvent]:
        """The events of a block's jobs, and of the blocks that are planned meanwhile."""
        try:
            if not is_first:  # which was seen to before it was told of
                fetch_networks(plan, self.session.models)
                check_disk(plan.jobs, self.options)
            self._make_folders(plan)
            self._networks |= _by_path(plan)
            with self.runner.prepared(tuple(self._networks.values())):
                yield from self.runner.run(plan.jobs, self._more())
            if self._error is not None:
                raise self._error
        except EscError as error:
            if is_first and self._error is None:
                raise
            self._end(error)

    def _make_folders(self, plan: Plan) -> None:
        """Those of a block's results, before its first job is at work."""
        make_folders(plan.jobs)
        folders = {job.output.parent for job in plan.jobs} - self._tidied
        for folder in folders:
            remove_stale_parts(folder)
        self._tidied |= folders

    def _more(self) -> Iterator[Job | Settled]:
        """The next blocks, planned as they are asked for; a block begins with what is settled.

        Raises nothing: what ends it is seen to by who began it.
        """
        try:
            for found in self._later:
                plan = self._planned_beside(found)
                if plan is None:
                    return
                yield Settled(tuple(plan.settled))
                yield from plan.jobs
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            self._error = error

    def _planned_beside(self, found: Found) -> Plan | None:
        """The plan of a block; None for one that has to wait."""
        try:
            plan = self._beside.plan(found, self.blocks.places)
        except _NotBeside:
            self._waiting = found
            return None
        if _by_path(plan).keys() - self._networks.keys():
            self._waiting = plan
            return None
        check_disk(plan.jobs, self.options)
        self._make_folders(plan)
        return plan

    def _next(self) -> Plan | None:
        """The plan of the next block, None after the last, or where the batch ends before it."""
        if self._is_over():
            return None
        waiting, self._waiting = self._waiting or next(self._later, None), None
        if waiting is None:
            return None
        if self.runner.stop.is_due:
            self.runner.late = DeadlineError("the time is up")
            return None
        try:
            if isinstance(waiting, Found):
                return self.planner.plan(waiting, self.blocks.places)
        except EscError as error:
            self._end(error)
            return None
        return waiting

    def _is_over(self) -> bool:
        return bool(self.runner.fatal or self.runner.late or self.runner.stop)

    def _end(self, error: EscError) -> None:
        """Try no more, because of an error that concerns what is left."""
        if isinstance(error, StoppedError):
            self.runner.stop.set(error.signal_number)
        elif self.runner.fatal is None:
            self.runner.fatal, self.told = error, str(error)


def _by_path(plan: Plan) -> dict[Path, Choice]:
    return {one.checkpoint.path: one for one in networks_of(plan)}
