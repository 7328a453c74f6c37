"""From inputs to jobs: names, sizes, formats, and what is finished already. No torch, no pixels."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from esc_cli.errors import (
    DeviceError,
    DiskError,
    EscError,
    ItemError,
    TooLargeError,
    UsageError,
    WeightsError,
    shown,
)
from esc_cli.files.packed_lists import Packed
from esc_cli.media.naming import (
    Destination,
    Names,
    check_pattern,
    destination,
    folder_for,
)
from esc_cli.media.paths import Found, Source, find_sources
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.archive.kind import ArchiveKind
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.input_kind import Batch, InputKind
from esc_cli.tasks.upscale.input_places import InputPlaces
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.memory_limit import check_memory
from esc_cli.tasks.upscale.min_side import copy_of, is_large_enough, reason
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture_kind import PictureKind
from esc_cli.tasks.upscale.records import OutputRecord, RecordShelf
from esc_cli.tasks.upscale.settings_key import current_form
from esc_cli.tasks.upscale.video.kind import VideoKind

KINDS: tuple[Callable[[Batch], InputKind], ...] = (VideoKind, ArchiveKind, PictureKind)
"""What an input may be; the first that recognises it counts."""


@dataclass
class Plan:
    """What a batch will do: jobs in order, and the items that are settled already."""

    jobs: Packed[Job] = field(default_factory=Packed)
    settled: Packed[Item] = field(default_factory=Packed)
    found: Found = field(default_factory=Found)
    of_other_shares: int = 0

    @property
    def bytes_estimate(self) -> int:
        """Disk space that the outputs will take, estimated."""
        return sum(job.bytes_estimate for job in self.jobs)


class Planner:
    """Makes the plan of a batch."""

    def __init__(self, options: UpscaleOptions, models: Models, shelf: RecordShelf) -> None:
        self.options, self.models, self.shelf = options, models, shelf

    def find(self) -> Found:
        """The inputs. Raises UsageError."""
        if self.options.name is not None:
            check_pattern(self.options.name)
        return self._found(destination(self.options.inputs, self.options.output))

    def plan(self, found: Found | None = None, places: InputPlaces | None = None) -> Plan:
        """Find the inputs, unless they are `found` already, and decide on each.

        `places`: those of all inputs of the batch, where `found` is a part of them. Raises
        UsageError, WeightsError, DiskError, and DeviceError for an encoder that does not open on
        this machine.
        """
        options = self.options
        found = self.find() if found is None else found
        chosen = destination(options.inputs, options.output)
        problems = Packed(Item(p, "failed", reason=error.reason) for p, error in found.problems)
        plan = Plan(settled=problems, found=found, of_other_shares=len(found.others))
        batch = Batch(options, self.models, self.shelf, chosen)
        named = self._named(map(self._identified, self._drafts(batch, plan)))
        (InputPlaces(plan.found) if places is None else places).refuse(named)
        for job in named:
            if options.owns(job.source) or job.is_shared(options):
                self._settle(job, plan)
            else:  # it was needed for the names of the others
                plan.of_other_shares += 1
        return plan

    @staticmethod
    def _named(drafts: Iterator[Job]) -> Packed[Job]:
        """The jobs with outputs that differ."""
        named, names = Packed[Job](), Names()
        for job in drafts:
            named.append(job)
            names.add(job.output)
        outputs = names.resolved((job.source, job.output) for job in named)
        if outputs is not None:
            pairs = zip(named, outputs, strict=True)
            named = Packed(replace(job, output=output) for job, output in pairs)
        return named

    def _found(self, chosen: Destination | None) -> Found:
        options = self.options
        return find_sources(
            options.inputs,
            options.selection,
            output_root=None if chosen is None or chosen.file else chosen.root,
            source_of=_nothing_known if options.include_outputs else self.shelf.source_of,
            is_own=options.looks_at,
        )

    def _drafts(self, batch: Batch, plan: Plan) -> Iterator[Job]:
        """The jobs, their outputs not yet checked; what has failed already is settled."""
        kinds = [kind(batch) for kind in KINDS]
        label = self.options.target.label(self.models.default_scale)
        several = len(self.options.inputs) > 1
        for source in plan.found.sources:
            root = folder_for(source, batch.chosen, label, several)
            try:
                kind = next(kind for kind in kinds if kind.recognises(source))
                job = self._draft(kind, source, root)
            except EscError as error:
                if _concerns_all(error, batch):
                    raise
                if not self.options.owns(source):
                    plan.of_other_shares += 1
                    continue
                plan.settled.append(Item(source.path, "failed", reason=error.reason))
                continue
            if not is_large_enough(job, self.options):
                yield job
            elif not self.options.owns(source):
                plan.of_other_shares += 1
            elif self.options.large == "copy":
                yield copy_of(job)
            else:
                skipped = replace(item_of(job, "skipped", reason(self.options)), output=None)
                plan.settled.append(skipped)

    def _draft(self, kind: InputKind, source: Source, root: Path) -> Job:
        return kind.draft(source, root)

    def _identified(self, job: Job) -> Job:
        """The job with the digest of its network, which may have to be fetched for that.

        Without the digest nobody could tell whether the job is finished.
        """
        if job.choice is None or job.choice.sha256 or self.options.dry_run:
            return job
        return replace(job, choice=self.models.fetch(job.choice))

    def _settle(self, job: Job, plan: Plan) -> None:
        """Add the job to those to do, or its item to those that are settled."""
        try:
            problem = self._in_the_way(job)
        except OSError as error:  # a name too long, a folder that cannot be entered
            problem = f"{shown(job.output.name)} cannot be written: {error.strerror}"
        if problem:
            plan.settled.append(item_of(job, "failed", problem))
        elif self.options.existing == "skip" and self._finished(job):
            plan.settled.append(self._skipped(job))
        elif problem := self._refusal(job):
            plan.settled.append(item_of(job, "failed", problem))
        else:
            plan.jobs.append(job)

    def _skipped(self, job: Job) -> Item:
        if self.options.video.discard_unfinished and not self.options.dry_run:
            try:
                job.discard_unfinished()
            except ItemError as error:
                return item_of(job, "failed", error.reason)
        return item_of(job, "skipped", "finished earlier")

    def _refusal(self, job: Job) -> str:
        """Why the job cannot be done on this machine; "" if it can, as far as is known."""
        try:
            check_memory(job.memory_bytes, self.options.max_memory)
        except TooLargeError as error:
            return error.reason
        return job.problem()

    def _in_the_way(self, job: Job) -> str:
        if stat.S_ISDIR(_mode(job.output)):
            return f"a folder has the name of the output: {job.output.name}"
        if self.options.existing == "overwrite" or not _mode(job.output):
            return ""
        if self.options.existing == "error":
            return "the output exists already (--existing error)"
        record = self.shelf.at(job.root).find(job.output)
        own = str(job.source.absolute)
        if record is None:
            what = f"{shown(job.output.name)} exists, and esc has no record of having written it"
        elif record.input != own and os.path.lexists(record.input):
            what = f"{shown(job.output.name)} holds the result of {shown(record.input)}"
        else:
            return ""
        return f"{what} (move it away, choose another -o, or use --existing overwrite)"

    def _finished(self, job: Job) -> bool:
        record = self.shelf.at(job.root).find(job.output)
        return record is not None and self._fits(record, job)

    def _fits(self, record: OutputRecord, job: Job) -> bool:
        by_content = self.options.checksum
        return (
            tells_of(record, job, str(job.source.absolute))
            and record.source.fits(job.source.path, by_content)
            and record.result.fits(job.output, by_content)
        )


def tells_of(record: OutputRecord, job: Job, text: str) -> bool:
    """Whether a record is of the result that a job would make of the input known as `text`."""
    return (
        record.input == text
        and current_form(record.settings) == job.settings
        and record.weights_sha256 in job.digests
    )


def _nothing_known(_path: Path) -> None:
    """With --include-outputs every picture is one like any other."""


def _concerns_all(error: EscError, batch: Batch) -> bool:
    """Whether an error of one draft would be that of every other."""
    if isinstance(error, WeightsError):
        return not batch.is_boxed  # one factor for all
    return isinstance(error, (UsageError, DeviceError, DiskError))


def _mode(path: Path) -> int:
    """The mode of what has this name, 0 if nothing has. Raises OSError for an impossible name.

    A locked folder counts as empty here: `check_disk` finds that it cannot be written to.
    """
    try:
        return path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return 0
