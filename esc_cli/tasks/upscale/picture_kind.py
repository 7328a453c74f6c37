"""Pictures as a kind of input: what a file by itself or of a folder becomes."""

from __future__ import annotations

from pathlib import Path

from esc_cli.errors import UsageError
from esc_cli.media.confined import probe
from esc_cli.media.decode import check_pixels
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.output_formats import FORMATS, SUFFIXES
from esc_cli.media.paths import Source
from esc_cli.media.picture import Header, held_once
from esc_cli.tasks.upscale.input_kind import Batch
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.memory_limit import bounds
from esc_cli.tasks.upscale.settings_key import settings_key


class PictureKind:
    """Stills and animations, and whatever no other kind has recognised."""

    drafts_beside = True

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.settings = settings_key(batch.options, "pictures")

    def recognises(self, source: Source) -> bool:  # noqa: ARG002 - as every kind
        """All: what is no picture is told so when its header is read."""
        return True

    def draft(self, source: Source, root: Path) -> Job:
        """The job. Raises the errors of `media.confined.probe` and of `plan_output`."""
        batch, target = self.batch, self.batch.options.target
        header, default_scale = self._header(source, root), batch.models.default_scale
        size = target.size(header.width, header.height, default_scale)
        enlargement = batch.enlargement((header.width, header.height), size, default_scale)
        choice = batch.choice(enlargement)
        form = self._format(source, header, size)
        output = batch.output(source, root, enlargement, form.suffix)
        estimate = estimated_bytes(source.path.stat().st_size, header, size, form)
        return Job(source, header, size, choice, form, root, output, self.settings, estimate)

    def _header(self, source: Source, root: Path) -> Header:
        """The header, from the record when the input has not changed since."""
        options = self.batch.options
        record = next(self.batch.shelf.at(root).of_input(str(source.absolute)), None)
        if record is not None and record.source.fits(source.path, options.checksum):
            check_pixels(record.header, options.max_pixels)
            return record.header
        return held_once(probe(source.path, bounds(options)))

    def _format(self, source: Source, header: Header, size: tuple[int, int]) -> OutputPlan:
        """The format that is asked for, by --format or the name in -o, or that of the input."""
        own, wanted = self.batch.own_file, self.batch.options.picture_format
        suffix = source.path.suffix if own is None else own.suffix
        if wanted is None and own is not None:
            wanted = own.suffix[1:]
        form = plan_output(header, size, wanted, suffix)
        if own is not None and own.suffix.lower() not in SUFFIXES[form.format]:
            raise UsageError(
                f"is no name for a {form.format} picture", own, "change -o or --format"
            )
        return form


def estimated_bytes(own: int, header: Header, size: tuple[int, int], form: OutputPlan) -> int:
    """Bytes of the result of a file of `own` bytes: for a format that compresses, as many per
    pixel as in the input."""
    pixels = size[0] * size[1] * header.frames
    raw = pixels * header.channels * header.bits // 8
    per_pixel = FORMATS[form.format].bytes_per_pixel
    if per_pixel is None:
        return raw
    if header.format == form.format:
        return min(raw, own * pixels // (header.width * header.height * header.frames))
    return min(raw, int(pixels * per_pixel))
