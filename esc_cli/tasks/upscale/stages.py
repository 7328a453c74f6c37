"""The three stages of an item: decode, network, encode; each notes its time."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

from esc_cli.errors import EscError, ReadError, TooLargeError
from esc_cli.files.atomic import write_atomic
from esc_cli.files.source import read_source, reading, status_of
from esc_cli.media.confined import Bounds, decode
from esc_cli.media.encode import encode
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Picture
from esc_cli.media.provenance import with_provenance
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job, check_overwriting, item_of, safest, smallest_tile
from esc_cli.tasks.upscale.network_choice import decided
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture import Pass, PictureUpscaler
from esc_cli.tasks.upscale.provenance import provenance_of
from esc_cli.tasks.upscale.records import FileState, Records

T = TypeVar("T")


@dataclass
class Failure:
    """An item's error on its way to the report."""

    job: Job
    error: EscError


def guarded(job: Job, step: Callable[[], T]) -> T | Failure:
    """The one boundary of an item: whatever a stage raises is kept with its reason."""
    try:
        return step()
    except EscError as error:
        return Failure(job, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours in one item must not stop the batch
        from esc_cli.engine.memory import is_out_of_memory  # with torch

        if is_out_of_memory(error):
            advice = "free memory, or make the result smaller"
            return Failure(job, TooLargeError("not enough memory for it", job.source.path, advice))
        what = f"unexpected {type(error).__name__}: {error}"
        return Failure(job, EscError(what, job.source.path, "please report this"))


if TYPE_CHECKING:
    import os


@dataclass
class Work:
    """An item on its way through the stages."""

    job: Job
    picture: Picture | None = None
    source_state: FileState | None = None
    source_sha256: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    device: str | None = None
    notes: tuple[str, ...] = ()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.took(stage, time.perf_counter() - start)

    def took(self, stage: str, seconds: float) -> None:
        """Add to the time of a stage."""
        self.seconds[stage] = round(self.seconds.get(stage, 0.0) + seconds, 4)

    def state_provenance(self) -> None:
        """Have the result say how it came about."""
        if self.picture is not None:
            job, width = self.job, self.job.header.width
            step = provenance_of(job.choice, job.settings, self.source_sha256, (width, job.size[0]))
            self.picture = with_provenance(self.picture, step, job.format.format)
            self.notes = (*self.notes, *self.picture.notes)

    def note_losses(self) -> None:
        """Say what the result's format has no place for."""
        if self.picture is not None:
            self.notes = (*self.notes, *lost(self.picture, self.job.format.format))

    def take_picture(self) -> Picture:
        """Hand the pixels over, so that they are freed as soon as the taker is done with them."""
        picture, self.picture = self.picture, None
        if picture is None:
            raise ValueError("the picture must be decoded first")
        return picture

    def item(self, output_bytes: int) -> Item:
        """The item as done."""
        tiles = [done.tile for done in self.passes]
        return replace(
            item_of(self.job, "done"),
            output_bytes=output_bytes,
            seconds=self.seconds,
            tile=smallest_tile(tiles),
            precision=safest({done.precision for done in self.passes}),
            device=self.device,
            notes=tuple(
                dict.fromkeys((*self.notes, *chain.from_iterable(d.notes for d in self.passes)))
            ),
        )


def decode_stage(job: Job, bounds: Bounds) -> Work:
    """Read and decode the input. Raises the errors of `media.confined`."""
    work = Work(job)
    with work.timed("decode"):
        status = status_of(job.source.path)  # before reading: a later change shows next time
        content = read_source(job.source.path)
        work.source_sha256 = hashlib.sha256(content).hexdigest()
        work.source_state = FileState(status.st_size, status.st_mtime_ns, work.source_sha256)
        with reading(job.source.path):
            work.picture = decode(content, job.header, bounds)
    work.notes = work.picture.notes
    if work.picture.header != job.header:
        raise ReadError("changed while the batch ran", job.source.path, "run again")
    if job.choice is not None and job.choice.is_open:
        with work.timed("decode"):
            work.job = replace(job, choice=decided(job.choice, content, work.picture))
    return work


def network_stage(work: Work, models: Models, stop: Stop) -> Work:
    """Enlarge the picture. Raises the errors of the engine, and StoppedError."""
    choice = work.job.choice
    upscaler = None if choice is None else models.upscaler(choice)
    with work.timed("network"):
        enlarge = PictureUpscaler(upscaler, work.job.size, stop.check)
        work.picture = enlarge.run(work.take_picture())
    work.passes = enlarge.passes
    work.device = None if upscaler is None else str(upscaler.device)
    return work


def encode_stage(work: Work, options: UpscaleOptions, records: Records) -> Item:
    """Encode and write the result and its record. Raises WriteError and DiskError."""
    job, source = work.job, work.source_state
    if source is None:
        raise ValueError("the picture must be decoded first")
    if options.provenance:
        work.state_provenance()
    work.note_losses()
    with work.timed("encode"):
        content = encode(work.take_picture(), job.format, options.quality)
        check_overwriting(job)

        def record(status: os.stat_result) -> None:
            digest = hashlib.sha256(content).hexdigest()
            result = FileState(status.st_size, status.st_mtime_ns, digest)
            records.append(job.record(source, result, records.relative(job.output)))

        write_atomic(job.output, content, record, source.mtime_ns if options.keep_times else None)
    return work.item(len(content))
