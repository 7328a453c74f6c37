"""One archive of a batch: from its file to its upscaled file, its record and its item."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from esc_cli.errors import ReadError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.digest import sha256_of
from esc_cli.files.source import status_of
from esc_cli.media.archive import Archive, open_archive, writing
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.archive.job import ArchiveJob
from esc_cli.tasks.upscale.archive.journal import Journal, open_journal
from esc_cli.tasks.upscale.archive.notes import copied, told
from esc_cli.tasks.upscale.archive.pages import Page, naming, plan_pages
from esc_cli.tasks.upscale.archive.pipeline import PagePipeline
from esc_cli.tasks.upscale.events import Item, ItemEvent, Remark
from esc_cli.tasks.upscale.job import check_overwriting, item_of, safest, smallest_tile
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, Records

JOURNAL_VERSION = 1
"""Raised when pictures that an earlier esc finished can no longer be continued with."""
_LIBRARIES = ("torch", "pillow", "imagecodecs", "tifffile", "pillow-heif")


@dataclass
class ArchiveRun:
    """Does one archive."""

    job: ArchiveJob
    options: UpscaleOptions
    models: Models
    records: Records
    stop: Stop
    _seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> Iterator[ItemEvent]:
        """`Remark` before the work, `Progress` while it runs, at last the `Item`.

        Raises the errors of reading (naming the entry), engine and writing, StoppedError, and
        DeadlineError. Finished pictures stay for the next run, whatever is raised.
        """
        job = self.job
        check_overwriting(job)
        status = status_of(job.source.path)
        with open_archive(job.source.path) as archive:
            pages = job.pages
            if pages is None:
                pages = plan_pages(archive, self.options, self.models.default_scale)
            journal = open_journal(job.output, self._fingerprint(status))
            try:
                for text in filter(None, (journal.lock.missing, journal.dropped)):
                    yield Remark(job.source.path, text)
                pipeline = PagePipeline(archive, job, self.options, self.models, self.stop, journal)
                yield from pipeline.run(pages)
                self._seconds = pipeline.seconds
                self._check(status)
                size = self._join(archive, pages, journal, status)
                journal.remove()
            finally:
                journal.close()
        yield self._item(archive, pages, journal, size)

    def _fingerprint(self, status: os.stat_result) -> dict[str, Any]:
        """Everything that finished pictures depend on."""
        job, place = self.job, None
        if job.choice is not None:
            upscaler = self.models.upscaler(job.choice.networks[0])
            place = [str(upscaler.device), str(upscaler.precision)]
        return {
            "version": JOURNAL_VERSION,
            "input": [str(job.source.path.absolute()), status.st_size, status.st_mtime_ns],
            "settings": job.settings,
            "weights": job.digest,
            "place": place,
            "libraries": {name: _version(name) for name in _LIBRARIES},
        }

    def _check(self, status: os.stat_result) -> None:
        path, now = self.job.source.path, status_of(self.job.source.path)
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise ReadError("changed while the batch ran", path, "run again")

    def _join(
        self,
        archive: Archive,
        pages: tuple[Page, ...],
        journal: Journal,
        status: os.stat_result,
    ) -> int:
        """Write the archive, record it and give it its name; its size in bytes."""
        job, start, digest = self.job, time.perf_counter(), ""
        check_overwriting(job)
        source = FileState(status.st_size, status.st_mtime_ns, sha256_of(job.source.path))

        def record(written: os.stat_result) -> None:
            result = FileState(written.st_size, written.st_mtime_ns, digest)
            self.records.append(job.record(source, result, self.records.relative(job.output)))

        by_entry = {page.entry.number: page for page in pages}
        with atomic_file(job.output, before_rename=record) as part:
            part.mtime_ns = status.st_mtime_ns if self.options.keep_times else None
            with writing(part.stream, archive.comment) as writer:
                for entry in archive.entries:
                    self.stop.check()
                    if page := by_entry.get(entry.number):
                        path = journal.finished[entry.number].path(journal.folder)
                        writer.put(entry, page.name, path, page.form.format)
                    elif entry.kind == "folder":
                        writer.folder(entry)
                    else:
                        with (
                            naming(archive.path, entry),
                            writer.entry(entry, entry.name, entry.size) as target,
                        ):
                            archive.copy(entry, target, self.stop.check)
            part.stream.flush()
            digest = sha256_of(part.path)
        self._seconds["join"] = round(time.perf_counter() - start, 4)
        return part.written.st_size

    def _item(self, archive: Archive, pages: tuple[Page, ...], journal: Journal, size: int) -> Item:
        done = [journal.finished[page.entry.number] for page in pages]
        tiles = [one.tile for one in done if one.tile is not None]
        used = {one.precision for one in done}
        return replace(
            item_of(self.job, "done"),
            output_bytes=size,
            seconds=self._seconds,
            tile=smallest_tile(tiles),
            precision=safest(used),
            device=next((one.device for one in done if one.device is not None), None),
            network=", ".join(told(one.network for one in done)),
            notes=tuple(copied(archive, pages, done)),
            frames=len(pages),
        )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
