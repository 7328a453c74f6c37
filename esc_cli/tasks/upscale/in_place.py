"""`--in-place`: a batch whose results are staged in a hidden folder and then replace their inputs.

The staged batch is one like any other, so that a second run continues it. What stands in its place
already is known by the records of the folder itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from esc_cli.errors import DiskError, EscError, UsageError, WriteError, shown
from esc_cli.files.atomic import is_full
from esc_cli.files.digest import has_content, sha256_of
from esc_cli.files.packed_lists import Packed
from esc_cli.files.targets import check_folder
from esc_cli.media.naming import Destination
from esc_cli.media.paths import Found, Source, absolute, ancestors, find_sources
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.archive.job import ArchiveJob
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.input_kind import Batch
from esc_cli.tasks.upscale.input_places import InputPlaces
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Runner
from esc_cli.tasks.upscale.plan import Plan, Planner
from esc_cli.tasks.upscale.records import OutputRecord, Records, RecordShelf
from esc_cli.tasks.upscale.replacing import Places, Replacing, taken

STAGING = ".esc-in-place"
"""The hidden folder of results on their way; of a share with its name behind."""


@dataclass(frozen=True)
class InPlace:
    """A batch in place. `options`: those of the batch that is staged."""

    places: Places
    options: UpscaleOptions

    @classmethod
    def of(cls, options: UpscaleOptions) -> InPlace:
        """Raises UsageError for anything but one folder, or a backup in it; DiskError."""
        root, backup = Path(options.inputs[0]), Path(options.backup or "")
        if len(options.inputs) > 1 or not root.is_dir():
            raise UsageError("--in-place takes one folder", advice="name the folder alone")
        if absolute(backup).is_relative_to(absolute(root)):
            what = "lies in the folder that is enlarged, and would be enlarged with it"
            raise UsageError(what, backup, "choose another --backup")
        check_folder(backup)
        share = "" if options.shard is None else f".{options.shard.name}"
        places = Places(root, root / f"{STAGING}{share}", backup)
        staged = replace(options, output=os.fspath(places.staging), in_place=False, backup=None)
        return cls(places, staged)

    def planner(self, models: Models, shelf: RecordShelf) -> Planner:
        """What plans the staged batch."""
        return InPlacePlanner(self.options, models, shelf, self.places)

    def finish(
        self, items: Iterator[ItemEvent], shelf: RecordShelf, runner: Runner
    ) -> Iterator[ItemEvent]:
        """The events of the staged batch; before a result's item, it has taken its place."""
        places = self.places
        own, on_the_way = shelf.at(places.root), shelf.at(places.staging)
        replacing = Replacing(places, self.options, on_the_way, own)
        for event in items:
            if not isinstance(event, Item) or event.output is None or not places.is_staged(event):
                yield event
                continue
            staged = Path(event.output)
            item = replace(event, output=places.root / staged.relative_to(places.staging))
            if self.options.dry_run:
                yield replace(item, status="planned") if item.status == "skipped" else item
            elif item.status == "failed":
                yield item
            else:
                yield self._replaced(replacing, item, staged, runner)
        if not self.options.dry_run:
            _clear(places.staging)

    @staticmethod
    def _replaced(replacing: Replacing, item: Item, output: Path, runner: Runner) -> Item:
        try:
            return replacing.replace(item, output)
        except (EscError, OSError) as raised:
            error = raised if isinstance(raised, EscError) else _in_words(raised)
            if isinstance(error, DiskError):
                runner.fatal = runner.fatal or error
            return replace(item, status="failed", reason=error.reason)


def _in_words(error: OSError) -> EscError:
    what = f"cannot be replaced: {error.strerror or error}"
    where = None if error.filename is None else Path(os.fsdecode(error.filename))
    if is_full(error):
        return DiskError(what, where, "free some space, or choose another --backup")
    return WriteError(what, where)


class InPlacePlanner(Planner):
    """Plans the staged batch: settles what stands in its place, and refuses what cannot stand."""

    def __init__(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, places: Places
    ) -> None:
        super().__init__(options, models, shelf)
        self.places = places
        self._device = places.root.stat().st_dev

    def plan(self, found: Found | None = None, places: InputPlaces | None = None) -> Plan:
        """As of every batch. Raises DiskError, too, when the backup's disk has not the space."""
        plan = super().plan(found, places)
        home = next(one for one in ancestors(self.places.backup / "_") if one.exists())
        need = sum(job.source.path.stat().st_size for job in plan.jobs)
        if shutil.disk_usage(home).free < need:
            what = f"has not the {need / 1e6:,.1f} MB that the originals take"
            raise DiskError(what, home, "free some space, or choose another --backup")
        return plan

    def _found(self, chosen: Destination | None) -> Found:  # noqa: ARG002 - as of every batch
        """All: what is a result is known by its content, not by its name."""
        options = self.options
        return find_sources(
            options.inputs,
            options.selection,
            output_root=None,
            source_of=lambda _: None,
            is_own=options.owns,
        )

    def _drafts(self, batch: Batch, plan: Plan) -> Iterator[Job]:
        left = Packed[Source]()
        for source in plan.found.sources:
            item = self._settled(source)
            if item is None:
                left.append(source)
            else:
                plan.settled.append(item)
        plan.found = replace(plan.found, sources=left)
        for job in super()._drafts(batch, plan):
            why = _unfit(job)
            if why:
                plan.settled.append(item_of(job, "failed", why))
            else:
                yield job

    def _settle(self, job: Job, plan: Plan) -> None:
        """With its own name: inputs of one tree have no name in common."""
        super()._settle(replace(job, output=job.root / job.source.relative), plan)

    def _settled(self, source: Source) -> Item | None:
        """The item of an input that is enlarged already, or cannot be replaced."""
        try:
            if self._is_result(source):
                done = "enlarged in place earlier"
                return Item(source.path, "skipped", source.path, reason=done)
            why = self._in_its_place(source)
        except OSError as error:
            why = f"cannot be looked at: {error.strerror}"
        return Item(source.path, "failed", reason=why) if why else None

    def _is_result(self, source: Source) -> bool:
        """Whether a folder at or above it has the record of this very file."""
        path = source.absolute
        found = (self.shelf.at(folder).find(path) for folder in path.parents)
        return any(record is not None and _is_same(record, path) for record in found)

    def _in_its_place(self, source: Source) -> str:
        """Why an input cannot be replaced; "" if it can, as far as is known."""
        path, kept = source.path, self.places.kept(source.relative)
        if absolute(path) != absolute(self.places.root) / source.relative:
            return "is a link, or lies behind one, and only files themselves are replaced"
        if path.stat().st_dev != self._device:
            return "lies on another file system than its folder (name the inner folder)"
        if not os.access(path.parent, os.W_OK | os.X_OK):
            return "its folder cannot be written to"
        if not os.path.lexists(kept):
            return ""
        same = kept.is_file() and has_content(kept, path.stat().st_size, sha256_of(path))
        return "" if same else taken(kept).reason


def _is_same(record: OutputRecord, path: Path) -> bool:
    """By size and time, and where that fails, or proves nothing, by content.

    A copied folder has other times; a result may have the size and, with --keep-times, the time
    of its source.
    """
    proves = record.result.size != record.source.size
    return (proves and record.result.fits(path, by_content=False)) or record.result.fits(
        path, by_content=True
    )


def _unfit(job: Job) -> str:
    """Why a result cannot take its input's name; "" if it can."""
    if isinstance(job, ArchiveJob):
        return "archives are not enlarged in place (leave out --in-place for them)"
    own = job.source.path.suffix
    if job.output.suffix == own:
        return ""
    what = f"in place it would keep the name {shown(own) or 'without a suffix'}"
    return f"{what}, and its result would be {job.format.format} (leave out --in-place for it)"


def _clear(staging: Path) -> None:
    """Remove the folder of results on their way, unless it holds any, or steps of a video.

    An empty file is a lock that a killed run has left.
    """
    if not staging.is_dir():
        return
    records = set(Records(staging).files)
    found = (path for path in staging.rglob("*") if path.is_file() and path not in records)
    if any(path.stat().st_size for path in found):
        return
    with contextlib.suppress(OSError):  # the next run clears it
        shutil.rmtree(staging)
