"""Inputs that are large enough already (--min-side): left alone, or copied as they are."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, BinaryIO

from esc_cli.files.atomic import Part, atomic_file
from esc_cli.files.source import open_source, reading
from esc_cli.media.formats import OutputPlan
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.job import Job, Outlook, StreamedJob, check_overwriting, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, RecordShelf

COPIED = '{"copied":true}'
"""The settings of a copy, in its record: those of no enlargement."""
_CHUNK_BYTES = 1 << 20


def is_large_enough(job: Job, options: UpscaleOptions) -> bool:
    """Whether an input's shorter side, as shown, has the pixels of --min-side."""
    sides = job.header.width, job.header.height
    return options.min_side is not None and min(sides) >= options.min_side


def reason(options: UpscaleOptions) -> str:
    """Why such an input is left alone."""
    return f"its shorter side has {options.min_side} pixels or more (--min-side)"


def copy_of(job: Job) -> CopyJob:
    """The job that copies the input under the name of its result, with its own suffix."""
    suffix = job.source.path.suffix
    values = {one.name: getattr(job, one.name) for one in fields(Job)} | {
        "size": (job.header.width, job.header.height),
        "choice": None,
        "format": OutputPlan(job.header.format, suffix),
        "output": job.output.with_suffix(suffix),
        "settings": COPIED,
        "bytes_estimate": job.source.path.stat().st_size,
    }
    return CopyJob(**values)


@dataclass(frozen=True)
class CopyJob(StreamedJob):
    """An input that becomes its own result, byte for byte."""

    def forecast(
        self,
        models: Models,  # noqa: ARG002 - as every job
        options: UpscaleOptions,
        known: dict[Any, Any],  # noqa: ARG002
    ) -> Outlook:
        """All of its frames."""
        return Outlook(self.header.frames, (f"copied: {reason(options)}",))

    def run(
        self,
        options: UpscaleOptions,
        models: Models,  # noqa: ARG002 - as every job
        shelf: RecordShelf,
        stop: Stop,
    ) -> Iterator[ItemEvent]:
        """Copy it. Raises ReadError, WriteError and DiskError, and what `stop` raises."""
        start = time.perf_counter()
        check_overwriting(self)
        records, digest = shelf.at(self.root), hashlib.sha256()
        with open_source(self.source.path) as stream:
            before = os.fstat(stream.fileno())

            def record(status: os.stat_result) -> None:
                source, result = (
                    FileState(one.st_size, one.st_mtime_ns, digest.hexdigest())
                    for one in (before, status)
                )
                records.append(self.record(source, result, records.relative(self.output)))

            with atomic_file(self.output, before_rename=record) as part:
                part.mtime_ns = before.st_mtime_ns if options.keep_times else None
                for chunk in self._chunks(stream):
                    stop.check()
                    digest.update(chunk)
                    part.stream.write(chunk)
        yield self._item(part, options, time.perf_counter() - start)

    def _chunks(self, stream: BinaryIO) -> Iterator[bytes]:
        with reading(self.source.path):
            while chunk := stream.read(_CHUNK_BYTES):
                yield chunk

    def _item(self, part: Part, options: UpscaleOptions, seconds: float) -> ItemEvent:
        return replace(
            item_of(self, "done"),
            output_bytes=part.written.st_size,
            seconds={"copy": seconds},
            notes=(f"copied: {reason(options)}",),
        )
