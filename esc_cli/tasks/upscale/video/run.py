"""One video of a batch: from its file to its upscaled file, its record and its item."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from functools import partial

from esc_cli.errors import DeadlineError, ReadError, UnsupportedError
from esc_cli.files.source import status_of
from esc_cli.media.video.codecs import GROUPING
from esc_cli.media.video.encoder import SegmentEncoder, StoredPacket
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless
from esc_cli.media.video.reader import Reader
from esc_cli.media.video.scan import count_frames, structural_damage
from esc_cli.media.video.segments import SEGMENT, STEP, write_segment
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import ItemEvent, Progress, Remark
from esc_cli.tasks.upscale.job import check_overwriting, item_of, safest, smallest_tile
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import Records
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.claims import Turn
from esc_cli.tasks.upscale.video.decode_result import Reading, kept_reading
from esc_cli.tasks.upscale.video.deinterlace import with_fields_decided
from esc_cli.tasks.upscale.video.fingerprint import wanted_of
from esc_cli.tasks.upscale.video.frames import FrameUpscaler
from esc_cli.tasks.upscale.video.groups import Groups
from esc_cli.tasks.upscale.video.joining import Joining, Made, part_of
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages
from esc_cli.tasks.upscale.video.plan import VideoJob
from esc_cli.tasks.upscale.video.shared_journals import Shared, open_shared
from esc_cli.tasks.upscale.video.unfinished import Unfinished, Wanted, open_unfinished

PROGRESS_INTERVAL_S = 0.5


@dataclass
class VideoRun:
    """Does one video, or what a share or a seat at it is to do."""

    job: VideoJob
    options: UpscaleOptions
    models: Models
    records: Records
    stop: Stop
    _seconds: dict[str, float] = field(default_factory=dict)
    _groups: Groups | None = None

    def run(self) -> Iterator[ItemEvent]:
        """`Remark` before the work, `Progress` while it runs, at last the `Item`.

        That of a seat is a `Turn` unless there was nothing to do: others join its steps.

        Raises the errors of reading, engine and writing, StoppedError, and DeadlineError saying
        how much is left. Finished segments stay for the next run, whatever is raised.
        """
        check_overwriting(self.job)
        share = self.options.shard if self.job.is_shared(self.options) else None
        job = self.job = with_fields_decided(self.job, self.options, self.stop.check)
        status = status_of(job.source.path)
        upscaler = None if job.choice is None else self.models.upscaler(job.choice)
        wanted = wanted_of(job, self.options, status, upscaler)
        unfinished = self._opened(wanted, share)
        try:
            if unfinished.is_over:
                yield item_of(job, "shared", "other workers have joined all")
                return
            for text in (*job.warnings, *unfinished.told):
                yield Remark(job.source.path, text)
            settled = unfinished.journal.settled
            if upscaler is not None and settled.tile is not None:
                upscaler = upscaler.with_tile(settled.tile)
            network = FrameUpscaler(
                job.facts.format, job.encoding.format, upscaler, self.stop.check
            )
            reading = yield from self._read(unfinished, network, is_seat=isinstance(share, Seat))
            self._check(reading, status)
            if isinstance(share, Seat):
                yield self._turn(unfinished, reading, network)
                return
            waits = unfinished.waits_for(len(reading.pts))
            if waits:
                yield item_of(job, "shared", waits)
                return
            joining = self._joining(unfinished, reading)
            yield from joining.encode_rest(self._groups)
            size = joining.finish(status)
            joining.notes += filter(None, [unfinished.finish()])
        finally:
            unfinished.close()
        yield joining.item(self._made(network), size)

    def _opened(self, wanted: Wanted, share: Shard | None) -> Unfinished | Shared:
        job = self.job
        if share is None:
            discard = self.options.video.discard_unfinished
            return open_unfinished(job.output, wanted, discard=discard)
        return open_shared(job.output, wanted, share, partial(share.holds_step, job.source))

    def _read(
        self, unfinished: Unfinished | Shared, network: FrameUpscaler, *, is_seat: bool
    ) -> Generator[Progress, None, Reading]:
        """Do what steps are to be done here; what decoding has told.

        Where nothing is left to a seat, it is told what another has found.
        """
        job, journal = self.job, unfinished.journal
        known = kept_reading(journal.folder) if is_seat else None
        if known is not None and not journal.missing(len(known.pts)):
            return known
        reader = Reader(
            job.source.path, job.facts, part_of(self.options), self.options.video.hwaccel
        )
        yield from self._encode(unfinished, reader, network)
        if reader.part.whole and reader.pts and not reader.damage:
            reader.damage.extend(structural_damage(job.source.path, job.facts.demuxer))
        return Reading.of(reader)

    def _turn(
        self, unfinished: Unfinished | Shared, reading: Reading, network: FrameUpscaler
    ) -> Turn:
        """What a seat says at its end; who joins all finds what decoding has told."""
        folder, made = unfinished.journal.folder, self._made(network)
        missing = unfinished.missing(len(reading.pts))
        if folder.exists() and kept_reading(folder) != reading:  # else all was joined meanwhile
            reading.keep(folder)
        steps = unfinished.journal.steps(len(reading.pts))
        item = item_of(self.job, "shared", f"{missing} of all {steps} segments are left to others")
        return Turn(**vars(item) | vars(made), job=self.job, folder=folder, missing=missing)

    def _joining(self, unfinished: Unfinished | Shared, reading: Reading) -> Joining:
        return Joining(
            self.job,
            self.options,
            self.records,
            unfinished.journal,
            reading,
            self.stop.check,
            lambda: self.stop.is_due,
        )

    def _encode(
        self, unfinished: Unfinished | Shared, reader: Reader, network: FrameUpscaler
    ) -> Iterator[Progress]:
        encoding, journal = self.job.encoding, unfinished.journal
        groups: Groups | None = None
        kept, kind = encoding, SEGMENT
        if encoding.encoder in GROUPING:
            if isinstance(unfinished, Unfinished):  # of several, one encodes them in the end
                groups = self._groups = Groups(journal, encoding, self.stop.check)
            kept, kind = lossless(encoding), STEP

        def write(number: int, frames: Iterator[RawFrame], repeated: list[int]) -> None:
            encoder = SegmentEncoder(kept, journal.settled.threads)
            packets = _packets(encoder, frames)
            state = write_segment(journal.folder, number, encoder.headers, packets, kind)
            journal.append(state, repeated[0])
            if groups is not None:
                groups.advance()

        path, before = self.job.source.path, journal.frames
        total = count_frames(path, self.job.facts, reader.part, self.stop.check)
        stream = FrameStream(
            Stages(reader.frames, network.run, write),
            journal.settled.batch,
            journal.settled.segment_frames,
            wanted=unfinished.is_wanted,
            is_due=lambda: self.stop.is_due,
            most_begun=unfinished.most_begun,
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

    def _check(self, reading: Reading, status: os.stat_result) -> None:
        """Raise ReadError for a source that has changed, holds no frame, or is damaged."""
        path, now = self.job.source.path, status_of(self.job.source.path)
        if (now.st_size, now.st_mtime_ns) != (status.st_size, status.st_mtime_ns):
            raise ReadError("changed while the batch ran", path, "run again")
        if not reading.pts:
            raise UnsupportedError("no frame lies in the part that was asked for", path)
        if reading.damage and not self.options.video.allow_truncated:
            more = len(reading.damage) - 1
            what = reading.damage[0] + (f", and {more} more places" if more else "")
            advice = "--allow-truncated keeps what could be decoded, without doing it again"
            raise ReadError(what, path, advice)

    def _made(self, network: FrameUpscaler) -> Made:
        passes, upscaler = network.passes, network.upscaler
        return Made(
            self._seconds,
            smallest_tile([done.tile for done in passes]),
            safest({done.precision for done in passes}),
            None if upscaler is None else str(upscaler.device),
            tuple(note for done in passes for note in done.notes),
        )


def _reachable(total: int | None, done: int) -> int | None:
    """A total, unless it is refuted: damage or edits can make packets of more frames than one."""
    return None if total is None or total < done else total


def _packets(encoder: SegmentEncoder, frames: Iterator[RawFrame]) -> Iterator[StoredPacket]:
    for frame in frames:
        yield from encoder.encode(frame)
    yield from encoder.finish()
