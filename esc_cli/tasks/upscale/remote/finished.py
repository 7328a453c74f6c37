"""Which inputs are finished, told from records and listings alone, without a download."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from esc_cli.errors import EscError
from esc_cli.media.naming import destination, folder_for
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.input_kind import Batch, Enlargement
from esc_cli.tasks.upscale.min_side import COPIED
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import OutputRecord, RecordShelf
from esc_cli.tasks.upscale.remote.entries import Entry
from esc_cli.tasks.upscale.remote.places import Place
from esc_cli.tasks.upscale.settings_key import archive_settings_key, current_form, settings_key
from esc_cli.tasks.upscale.video.plan import scale_alone


def source_fits(record: OutputRecord, entry: Entry, *, by_content: bool) -> bool | None:
    """Whether an input still is what a record says; None where only its content can tell."""
    if entry.stored is None:
        return record.source.fits(entry.source.path, by_content)
    if by_content or not entry.state.version:
        return None
    now = (entry.state.size, entry.state.version)
    return now == (record.source.size, record.source.version)


@dataclass
class Finished:
    """Looks for the finished results of a batch. `options`: of the staged batch, which writes to
    the folder `results`.

    When in doubt an input is not finished: once it is staged, the plan decides by its header.
    """

    options: UpscaleOptions
    models: Models
    place: Place
    results: Path

    def __post_init__(self) -> None:
        options = self.options
        chosen = destination(options.inputs, options.output)
        self._batch = Batch(options, self.models, RecordShelf(), chosen)
        pictures, videos = settings_key(options, "pictures"), settings_key(options, "videos")
        self._settings = {pictures, videos, archive_settings_key(options)}

    def item(self, entry: Entry, *, alone: bool) -> Item | None:
        """The item of an input that is finished; `alone`: no other may want the same name."""
        if self.options.existing != "skip":
            return None
        for record in self.place.records_of(entry.text):
            with_content = self.options.checksum
            if not source_fits(record, entry, by_content=with_content):
                continue
            try:
                fits = any(
                    self._fits(record, entry, one, alone=alone) for one in self._scales(entry)
                )
            except EscError:  # of the network: the plan raises it
                fits = False
            if fits and self.place.stands(record, by_content=with_content):
                output = self.place.shown(record.output)
                return Item(entry.shown, "skipped", output, "finished earlier")
        return None

    def _scales(self, entry: Entry) -> set[float]:
        """Those that count when none is asked for; a video by itself has another."""
        own: set[float] = {self.models.default_scale}
        return own if entry.source.folder else own | {scale_alone(self.options, self.models)}

    def _fits(self, record: OutputRecord, entry: Entry, scale: float, *, alone: bool) -> bool:
        """Whether today's options would make this result of the input, under this name."""
        header, options = record.header, self.options
        size = options.target.size(header.width, header.height, scale)
        enlargement = self._batch.enlargement((header.width, header.height), size, scale)
        large = (
            options.min_side is not None and min(header.width, header.height) >= options.min_side
        )
        if large:
            if options.large != "copy" or record.settings != COPIED:
                return False
        elif not self._is_enlarged(record, enlargement):
            return False
        return PurePosixPath(record.output) in self._names(record, entry, enlargement, alone=alone)

    def _is_enlarged(self, record: OutputRecord, enlargement: Enlargement) -> bool:
        choice = self._batch.choice(enlargement)
        digests = {None} if choice is None else {one.digest for one in choice.networks}
        return current_form(record.settings) in self._settings and record.weights_sha256 in digests

    def _names(
        self, record: OutputRecord, entry: Entry, enlargement: Enlargement, *, alone: bool
    ) -> set[PurePosixPath]:
        """Those that the result may have: its own, or a longer one where others want it, too."""
        several = len(self.options.inputs) > 1
        root = folder_for(entry.source, self._batch.chosen, enlargement.label, several)
        suffix = PurePosixPath(record.output).suffix
        path = self._batch.output(entry.source, root, enlargement, suffix)
        own = PurePosixPath(path.relative_to(self.results).as_posix())
        longer = own.with_name(f"{own.stem}{entry.source.path.suffix}{suffix}")
        return {own} if alone else {own, longer}
