"""One picture of an archive through the stages that every picture goes through."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

from esc_cli.errors import ReadError
from esc_cli.files.atomic import write_atomic
from esc_cli.media.archive import Archive
from esc_cli.media.confined import decode
from esc_cli.media.encode import encode
from esc_cli.tasks.upscale.archive.journal import Finished, picture_path
from esc_cli.tasks.upscale.archive.pages import Page, naming
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.memory_limit import bounds
from esc_cli.tasks.upscale.network_choice import decided
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.stages import Work


def page_work(job: Job, page: Page) -> Work:
    """The work on one picture; a network only where the picture grows."""
    choice = job.choice if page.factor > 1 else None
    own = Job(
        job.source, page.header, page.size, choice, page.form, job.root, job.output, job.settings,
        page.bytes_estimate,
    )  # fmt: skip
    return Work(own)


def decoded_page(archive: Archive, page: Page, work: Work, options: UpscaleOptions) -> Work:
    """With its pixels and its network. Raises the errors of `media.confined`, naming the entry."""
    with naming(archive.path, page.entry), work.timed("decode"):
        content = archive.picture(page.entry, options.max_pixels)
        work.source_sha256 = hashlib.sha256(content).hexdigest()
        work.picture = decode(content, page.header, bounds(options))
        if work.picture.header != page.header:
            raise ReadError("changed while the batch ran", advice="run again")
        work.notes = work.picture.notes
        choice = work.job.choice
        if choice is not None and choice.is_open:
            work.job = replace(work.job, choice=decided(choice, content, work.picture))
    return work


def finished_page(page: Page, work: Work, options: UpscaleOptions, folder: Path) -> Finished:
    """Encode the result and write it to the folder of the journal. Raises WriteError, DiskError."""
    if options.provenance:
        work.state_provenance()
    work.note_losses()
    with naming(work.job.source.path, page.entry), work.timed("encode"):
        content = encode(work.take_picture(), page.form, options.quality)
        write_atomic(picture_path(folder, page.entry.number), content)
    item = work.item(len(content))
    digest = hashlib.sha256(content).hexdigest()
    return Finished(
        page.entry.number,
        len(content),
        digest,
        list(item.notes),
        item.network,
        item.tile,
        item.precision,
        item.device,
    )
