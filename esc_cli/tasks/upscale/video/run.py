"""One video of a batch: from its file to its upscaled file, its record and its item."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from esc_cli.errors import DeadlineError, ReadError, UnsupportedError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.digest import sha256_of
from esc_cli.files.source import status_of
from esc_cli.media.video.encoder import SegmentEncoder, StoredPacket
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.mux import Muxer, Window
from esc_cli.media.video.reader import Part, Reader
from esc_cli.media.video.scan import count_frames, structural_damage
from esc_cli.media.video.segments import write_segment
from esc_cli.media.video.source import load_av
from esc_cli.media.video.verify import Expected, verify
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, ItemEvent, Progress, Remark
from esc_cli.tasks.upscale.job import check_overwriting, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, Records
from esc_cli.tasks.upscale.video.fields import fingerprint_of, with_fields_decided
from esc_cli.tasks.upscale.video.frames import (
    FrameUpscaler,
    batch_size,
    device_name,
    reason_against,
)
from esc_cli.tasks.upscale.video.journal import Journal, Settled, open_journal
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages
from esc_cli.tasks.upscale.video.plan import VideoJob, encoder_threads, segment_frames

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler

PROGRESS_INTERVAL_S = 0.5
JOURNAL_VERSION = 3
"""Raised when segments of an earlier esc can no longer be continued."""


@dataclass
class VideoRun:
    """Does one video."""

    job: VideoJob
    options: UpscaleOptions
    models: Models
    records: Records
    stop: Stop
    _seconds: dict[str, float] = field(default_factory=dict)
    _notes: list[str] = field(default_factory=list)

    def run(self) -> Iterator[ItemEvent]:
        """`Remark` before the work, `Progress` while it runs, at last the `Item`.

        Raises the errors of reading, engine and writing, StoppedError, and DeadlineError saying
        how much is left. Finished segments stay for the next run, whatever is raised.
        """
        check_overwriting(self.job)
        job = self.job = with_fields_decided(self.job, self.options, self.stop.check)
        status = status_of(job.source.path)
        upscaler = None if job.choice is None else self.models.upscaler(job.choice)
        fresh = self._settled(upscaler)
        fits = partial(reason_against, fresh=fresh, upscaler=upscaler, source=job.facts.format)
        journal = open_journal(job.output, self._fingerprint(status), fresh, fits)
        try:
            told = (*job.warnings, journal.unlocked, journal.dropped)
            for text in filter(None, told):
                yield Remark(job.source.path, text)
            if upscaler is not None and journal.settled.tile is not None:
                upscaler = upscaler.with_tile(journal.settled.tile)
            network = FrameUpscaler(
                job.facts.format, job.encoding.format, upscaler, self.stop.check
            )
            reader = Reader(job.source.path, job.facts, self._part)
            yield from self._encode(journal, reader, network)
            self._check(reader, status)
            size = self._finish(journal, reader, status)
        finally:
            journal.close()
            if not journal.entries:  # nothing to go on from
                journal.remove()
        journal.remove()
        yield self._item(journal, reader, network, size)

    @property
    def _part(self) -> Part:
        wish = self.options.video
        return Part(wish.start, wish.duration, wish.frames)

    def _settled(self, upscaler: Upscaler | None) -> Settled:
        """What a run that begins now would do."""
        source = self.job.facts.format
        length = segment_frames(self.job.encoding.format, self.options.video.segment_frames)
        batch = batch_size(upscaler, source)
        if upscaler is None:
            return Settled(batch, encoder_threads(), length)
        tile = upscaler.first_tile(source.height, source.width, batch)
        place = device_name(upscaler), upscaler.precision
        return Settled(batch, encoder_threads(), length, *place, tile)

    def _fingerprint(self, status: os.stat_result) -> dict[str, Any]:
        """Everything that finished segments depend on."""
        job, av = self.job, load_av()
        libraries = {name: list(v) for name, v in sorted(av.library_versions.items())}
        return {
            "version": JOURNAL_VERSION,
            "input": [str(job.source.path.absolute()), status.st_size, status.st_mtime_ns],
            "settings": job.settings,
            "size": list(job.size),
            "weights": None if job.choice is None else job.choice.digest,
            "segment_frames": self.options.video.segment_frames,
            "libraries": libraries | {"torch": torch.__version__},
        } | fingerprint_of(job.facts.fields)

    def _encode(
        self, journal: Journal, reader: Reader, network: FrameUpscaler
    ) -> Iterator[Progress]:
        def write(number: int, frames: Iterator[RawFrame], repeated: list[int]) -> None:
            encoder = SegmentEncoder(self.job.encoding, journal.settled.threads)
            packets = _packets(encoder, frames)
            state = write_segment(journal.folder, number, encoder.headers, packets)
            journal.append(state, repeated[0])

        path, before = self.job.source.path, journal.frames
        total = count_frames(path, self.job.facts, self._part, self.stop.check)
        stream = FrameStream(
            Stages(reader.frames, network.run, write),
            journal.settled.batch,
            journal.settled.segment_frames,
            skip=before,
            first_segment=len(journal.entries),
            is_due=lambda: self.stop.is_due,
        )
        shown = 0.0
        try:
            for done in stream.run():
                if time.monotonic() - shown >= PROGRESS_INTERVAL_S:
                    shown = time.monotonic()
                    yield Progress(path, before + done, _reachable(total, before + done), done)
        except DeadlineError as error:
            whole = _reachable(total, journal.frames)
            left = "" if whole is None else f"about {whole - journal.frames} of {whole} "
            what = f"the time is up with {left}frames left"
            raise DeadlineError(what, path, "run again to go on") from error
        self._seconds = {name: round(value, 4) for name, value in stream.seconds.items()}

    def _check(self, reader: Reader, status: os.stat_result) -> None:
        """Raise ReadError for a source that has changed, holds no frame, or is damaged."""
        path, now = self.job.source.path, status_of(self.job.source.path)
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise ReadError("changed while the batch ran", path, "run again")
        if not reader.pts:
            raise UnsupportedError("no frame lies in the part that was asked for", path)
        if reader.part.whole and not reader.damage:
            reader.damage.extend(structural_damage(path, self.job.facts.demuxer))
        if reader.damage and not self.options.video.allow_truncated:
            more = len(reader.damage) - 1
            what = reader.damage[0] + (f", and {more} more places" if more else "")
            advice = "--allow-truncated keeps what could be decoded, without doing it again"
            raise ReadError(what, path, advice)

    def _finish(self, journal: Journal, reader: Reader, status: os.stat_result) -> int:
        """Join the segments, check the file, record it and give it its name; its size in bytes."""
        job, window = self.job, self._window(reader)
        check_overwriting(job)
        source = FileState(status.st_size, status.st_mtime_ns, sha256_of(job.source.path))
        muxer = Muxer(
            job.source.path,
            job.facts,
            job.encoding,
            journal.settled.threads,
            window,
            reader.pts[0] * job.facts.time_base - self._shift(window),
            job.held,
        )
        digest = ""

        def record(written: os.stat_result) -> None:
            result = FileState(written.st_size, written.st_mtime_ns, digest)
            self.records.append(job.record(source, result, self.records.relative(job.output)))

        start = time.perf_counter()
        with atomic_file(job.output, before_rename=record) as part:
            muxer.write(part.stream, journal.segments)
            part.stream.flush()
            digest = sha256_of(part.path)
            if self.options.video.verify:
                expected = self._expected(reader, muxer, window)
                late_s = verify(part.path, job.source.path, expected)
                if late_s:
                    name = job.encoding.container
                    self._notes.append(f"{name} has no times below 0: all is {late_s:.3f} s later")
        self._notes += self._empty(muxer)
        self._seconds["join"] = round(time.perf_counter() - start, 4)
        return part.written.st_size

    def _expected(self, reader: Reader, muxer: Muxer, window: Window | None) -> Expected:
        return Expected(
            self.job.facts,
            self.job.encoding,
            reader.pts,
            muxer.copied,
            self._shift(window),
            muxer.earliest_s,
            whole=reader.part.whole,
            intact=not reader.damage,
            part=reader.part,
            held=self.job.held,
        )

    @staticmethod
    def _shift(window: Window | None) -> Fraction:
        return Fraction(0) if window is None else window.shift_s

    def _window(self, reader: Reader) -> Window | None:
        """What of the other streams goes with the frames that were done; None for all."""
        wish, base = self.options.video, self.job.facts.time_base
        first = reader.pts[0] * base
        clock = self.job.facts.clock_start
        zero = min(clock, first) if clock else Fraction(0)
        if reader.part.whole:
            return Window(None, None, zero) if zero else None
        shift = zero if wish.start is None else first
        stop = float(reader.pts[-1] * base + 1 / self.job.facts.rate)
        start = float(shift) if wish.start is not None else None
        return Window(start, stop, shift)

    def _item(self, journal: Journal, reader: Reader, network: FrameUpscaler, size: int) -> Item:
        job = self.job
        tiles = [done.tile for done in network.passes]
        used = {done.precision for done in network.passes}
        notes = [note for done in network.passes for note in done.notes]
        notes += [*job.warnings, *self._notes]
        notes += [f"lost: {name}" for name in reader.riding if name not in job.facts.riding.others]
        notes += [f"left out: {other}, which no container holds" for other in self._lost]
        notes += reader.mends
        return replace(
            item_of(self.job, "done"),
            output_bytes=size,
            seconds=self._seconds,
            tile=min((tile for tile in tiles if tile), default=0) if tiles else None,
            precision=next((p for p in ("fp32", "bf16", "fp16") if p in used), None),
            device=None if network.upscaler is None else str(network.upscaler.device),
            notes=tuple(dict.fromkeys([*notes, *reader.damage[:1]])),
            frames=len(reader.pts),
            repeated_frames=journal.repeated,
        )

    def _empty(self, muxer: Muxer) -> list[str]:
        """The tracks of which nothing was copied."""
        kept = [
            other
            for other in self.job.facts.others
            if other.kept and other.type in ("audio", "subtitle", "video")
        ]
        return [f"{other} has nothing here" for other in kept if not muxer.copied.get(other.index)]

    @property
    def _lost(self) -> list[str]:
        facts = self.job.facts
        told = {o.index for o in facts.refused_by(self.job.encoding.container)}
        lost = (o for o in facts.others if not (o.kept or o.made) and o.index not in told)
        return [str(other) for other in lost]


def _reachable(total: int | None, done: int) -> int | None:
    """A total, unless it is refuted: damage or edits can make packets of more frames than one."""
    return None if total is None or total < done else total


def _packets(encoder: SegmentEncoder, frames: Iterator[RawFrame]) -> Iterator[StoredPacket]:
    for frame in frames:
        yield from encoder.encode(frame)
    yield from encoder.finish()
