"""Archives of pictures as a kind of input: one archive becomes one archive."""

from __future__ import annotations

from pathlib import Path

from esc_cli.errors import UsageError
from esc_cli.files.source import open_source
from esc_cli.media.archive import is_archive, open_archive
from esc_cli.media.formats import OutputPlan
from esc_cli.media.paths import ARCHIVES, Source
from esc_cli.media.picture import Header
from esc_cli.media.sniff import HEAD_BYTES
from esc_cli.tasks.upscale.archive.job import FORMAT, ArchiveJob
from esc_cli.tasks.upscale.archive.pages import Page, plan_pages
from esc_cli.tasks.upscale.input_kind import Batch
from esc_cli.tasks.upscale.records import OutputRecord
from esc_cli.tasks.upscale.settings_key import archive_settings_key


class ArchiveKind:
    """ZIP archives that are named .cbz or .zip; others hold documents and programs."""

    drafts_beside = True

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.settings = archive_settings_key(batch.options)

    def recognises(self, source: Source) -> bool:
        """By name and content. Raises ReadError."""
        if source.path.suffix.lower() not in ARCHIVES:
            return False
        with open_source(source.path) as stream:
            return is_archive(stream.read(HEAD_BYTES))

    def draft(self, source: Source, root: Path) -> ArchiveJob:
        """The job. Raises the errors of `open_archive` and of `plan_pages`."""
        batch, scale = self.batch, self.batch.models.default_scale
        own = batch.own_file
        if own is not None and own.suffix.lower() not in ARCHIVES:
            raise UsageError("is no name for an archive", own, "change -o to end in .cbz or .zip")
        record = self._unchanged(source, root)
        pages = None if record is not None else self._pages(source)
        header = record.header if pages is None and record is not None else self._header(pages)
        size = batch.options.target.size(header.width, header.height, scale)
        enlargement = batch.enlargement((header.width, header.height), size, scale)
        form = OutputPlan(FORMAT, source.path.suffix if own is None else own.suffix)
        output = batch.output(source, root, enlargement, form.suffix)
        estimate = sum(page.bytes_estimate for page in pages or ())
        if record is not None:
            estimate = record.result.size
        return ArchiveJob(
            source, header, size, batch.choice(enlargement), form, root, output, self.settings,
            estimate, pages,
        )  # fmt: skip

    def _unchanged(self, source: Source, root: Path) -> OutputRecord | None:
        """The record of an earlier result of the same archive and options."""
        record = next(self.batch.shelf.at(root).of_input(str(source.absolute)), None)
        if record is None or record.settings != self.settings:
            return None
        return record if record.source.fits(source.path, self.batch.options.checksum) else None

    def _pages(self, source: Source) -> tuple[Page, ...]:
        with open_archive(source.path) as archive:
            return plan_pages(archive, self.batch.options, self.batch.models.default_scale)

    def _header(self, pages: tuple[Page, ...] | None) -> Header:
        """That of the picture that the network is chosen for; `frames` are the pictures.

        With one scale for all it is the first, unless rounding leaves that one as it is; in a box
        it is the one that has to grow most.
        """
        if not pages:
            raise ValueError("an archive without pictures has no header")
        one = pages[0]
        if self.batch.is_boxed or one.factor <= 1:
            one = max(pages, key=lambda page: page.factor)
        own = one.header
        return Header(FORMAT, own.width, own.height, own.channels, own.bits, len(pages))
