"""One video of a batch: from its file to its upscaled file, its record and its item."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import partial

from esc_cli.errors import DeadlineError, ReadError, UnsupportedError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.digest import sha256_of
from esc_cli.files.source import status_of
from esc_cli.media.provenance import next_name
from esc_cli.media.video.codecs import GROUPING
from esc_cli.media.video.encoder import SegmentEncoder, StoredPacket
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless
from esc_cli.media.video.mux import Muxer
from esc_cli.media.video.reader import Part, Reader
from esc_cli.media.video.scan import count_frames, structural_damage
from esc_cli.media.video.segments import SEGMENT, STEP, write_segment
from esc_cli.media.video.source import tags_of_file
from esc_cli.media.video.verify import Expected, verify
from esc_cli.media.video.window import Window
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, ItemEvent, Progress, Remark
from esc_cli.tasks.upscale.job import check_overwriting, item_of, safest, smallest_tile
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.provenance import provenance_of
from esc_cli.tasks.upscale.records import FileState, Records
from esc_cli.tasks.upscale.shard import Shard
from esc_cli.tasks.upscale.video.deinterlace import with_fields_decided
from esc_cli.tasks.upscale.video.frames import FrameUpscaler
from esc_cli.tasks.upscale.video.groups import Groups
from esc_cli.tasks.upscale.video.journal import Journal
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages
from esc_cli.tasks.upscale.video.plan import VideoJob
from esc_cli.tasks.upscale.video.settling import wanted_of
from esc_cli.tasks.upscale.video.sharing import Shared, open_shared
from esc_cli.tasks.upscale.video.unfinished import Unfinished, Wanted, open_unfinished

PROGRESS_INTERVAL_S = 0.5


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
    _groups: Groups | None = None

    def run(self) -> Iterator[ItemEvent]:
        """`Remark` before the work, `Progress` while it runs, at last the `Item`.

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
        journal = unfinished.journal
        try:
            if unfinished.is_over:
                yield item_of(job, "shared", "other workers have joined all")
                return
            for text in (*job.warnings, *unfinished.told):
                yield Remark(job.source.path, text)
            if upscaler is not None and journal.settled.tile is not None:
                upscaler = upscaler.with_tile(journal.settled.tile)
            network = FrameUpscaler(
                job.facts.format, job.encoding.format, upscaler, self.stop.check
            )
            hwaccel = self.options.video.hwaccel
            reader = Reader(job.source.path, job.facts, self._part, hwaccel)
            yield from self._encode(unfinished, reader, network)
            self._check(reader, status)
            waits = unfinished.waits_for(len(reader.pts))
            if waits:
                yield item_of(job, "shared", waits)
                return
            self._encode_rest(journal)
            size = self._finish(journal, reader, status)
            self._notes += filter(None, [unfinished.finish()])
        finally:
            unfinished.close()
        yield self._item(journal, reader, network, size)

    def _opened(self, wanted: Wanted, share: Shard | None) -> Unfinished | Shared:
        job = self.job
        if share is None:
            discard = self.options.video.discard_unfinished
            return open_unfinished(job.output, wanted, discard=discard)
        return open_shared(job.output, wanted, share, partial(share.holds_step, job.source))

    @property
    def _part(self) -> Part:
        wish = self.options.video
        return Part(wish.start, wish.duration, wish.frames)

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
        total = count_frames(path, self.job.facts, self._part, self.stop.check)
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

    def _encode_rest(self, journal: Journal) -> None:
        """What is left to be encoded from steps, which are all there."""
        encoding = self.job.encoding
        if encoding.encoder in GROUPING:
            start = time.perf_counter()
            groups = self._groups or Groups(journal, encoding, self.stop.check)
            groups.finish()
            took = self._seconds["encode"] + time.perf_counter() - start
            self._seconds["encode"] = round(took, 4)

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
            self._provenance(source.sha256),
        )
        digest = ""

        def record(written: os.stat_result) -> None:
            result = FileState(written.st_size, written.st_mtime_ns, digest)
            self.records.append(job.record(source, result, self.records.relative(job.output)))

        start = time.perf_counter()
        with atomic_file(job.output, before_rename=record) as part:
            part.mtime_ns = status.st_mtime_ns if self.options.keep_times else None
            muxer.write(part.stream, journal.segments)
            part.stream.flush()
            digest = sha256_of(part.path)
            if self.options.video.verify:
                expected = self._expected(reader, muxer, window)
                late_s = verify(part.path, job.source.path, expected)
                if late_s:
                    name = job.encoding.container
                    self._notes.append(f"{name} has no times below 0: all is {late_s:.3f} s later")
        self._notes += [*muxer.order.told(), *self._empty(muxer)]
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
            intact=not (reader.damage or reader.hidden),
            part=reader.part,
            held=self.job.held,
            added=muxer.added,
        )

    def _provenance(self, source_sha256: str) -> dict[str, str]:
        """The tag that says how the result came about, if one is asked for."""
        if not self.options.provenance:
            return {}
        job, width = self.job, self.job.header.width
        step = provenance_of(job.choice, job.settings, source_sha256, (width, job.size[0]))
        return {next_name(tags_of_file(job.source.path)): step.text}

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
        if reader.decoded_by not in (None, self.options.video.hwaccel):
            device = self.options.video.hwaccel
            notes.append(f"{device} does not decode {job.facts.codec}, the processor did")
        notes += [f"lost: {name}" for name in reader.riding if name not in job.facts.riding.others]
        notes += [f"left out: {other}, which no container holds" for other in self._lost]
        notes += reader.mends
        return replace(
            item_of(self.job, "done"),
            output_bytes=size,
            seconds=self._seconds,
            tile=smallest_tile(tiles),
            precision=safest(used),
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
