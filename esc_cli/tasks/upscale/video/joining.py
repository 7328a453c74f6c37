"""The result of a video, once all its steps are finished: encoded, joined, compared, recorded.

Needs no network, and not the device that enlarged the frames.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from esc_cli.errors import DeadlineError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.digest import sha256_of
from esc_cli.media.provenance import next_name
from esc_cli.media.video.codecs import GROUPING
from esc_cli.media.video.mux import Muxer
from esc_cli.media.video.reader import Part
from esc_cli.media.video.source import tags_of_file
from esc_cli.media.video.time_range import Window
from esc_cli.media.video.verify import Expected, verify
from esc_cli.tasks.upscale.events import Item, Progress
from esc_cli.tasks.upscale.job import check_overwriting, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.provenance import provenance_of
from esc_cli.tasks.upscale.records import FileState, Records
from esc_cli.tasks.upscale.video.decode_result import Reading
from esc_cli.tasks.upscale.video.groups import Groups
from esc_cli.tasks.upscale.video.journal import Journal
from esc_cli.tasks.upscale.video.plan import VideoJob


@dataclass(frozen=True)
class Made:
    """How steps were made, as an `Item` tells it."""

    seconds: dict[str, float] = field(default_factory=dict)
    tile: int | None = None
    precision: str | None = None
    device: str | None = None
    notes: tuple[str, ...] = ()


@dataclass
class Joining:
    """Makes one result of the steps of a journal, which are all there.

    job: with its fields decided. check: called on the way, and may raise. is_due: whether the time
    of the batch is up.
    """

    job: VideoJob
    options: UpscaleOptions
    records: Records
    journal: Journal
    reading: Reading
    check: Callable[[], None]
    is_due: Callable[[], bool] = lambda: False
    notes: list[str] = field(default_factory=list)
    _encode_s: float = 0.0
    _join_s: float = 0.0

    def encode_rest(self, groups: Groups | None = None) -> Iterator[Progress]:
        """Encode what is left of steps that hold frames. `groups`: that has encoded so far.

        Raises DeadlineError once the time is up and a further segment has been encoded.
        """
        if self.job.encoding.encoder not in GROUPING:
            return
        path, total = self.job.source.path, len(self.reading.pts)
        before = self.journal.encoded_frames
        start = time.perf_counter()
        groups = groups or Groups(self.journal, self.job.encoding, self.check)
        for done in groups.rest():
            if done < total and self.is_due():
                what = f"the time is up with {total - done} of {total} frames left to be encoded"
                raise DeadlineError(what, path, "run again to go on")
            yield Progress(path, done, total, done - before, "encoded frame")
        self._encode_s = time.perf_counter() - start

    def finish(self, status: os.stat_result) -> int:
        """Join the segments, check the file, record it and give it its name; its size in bytes.

        `status`: of the source.
        """
        job = self.job
        check_overwriting(job)
        sha256 = sha256_of(job.source.path, self.check)
        source = FileState(status.st_size, status.st_mtime_ns, sha256)
        muxer, digest = self._muxer(sha256), ""

        def record(written: os.stat_result) -> None:
            result = FileState(written.st_size, written.st_mtime_ns, digest)
            self.records.append(job.record(source, result, self.records.relative(job.output)))

        start = time.perf_counter()
        with atomic_file(job.output, before_rename=record) as part:
            part.mtime_ns = status.st_mtime_ns if self.options.keep_times else None
            muxer.write(part.stream, self.journal.segments)
            part.stream.flush()
            digest = sha256_of(part.path, self.check)
            if self.options.video.verify:
                late_s = verify(part.path, job.source.path, self._expected(muxer), self.check)
                if late_s:
                    name = job.encoding.container
                    self.notes.append(f"{name} has no times below 0: all is {late_s:.3f} s later")
        self.notes += [*muxer.order.told(), *self._empty(muxer)]
        self._join_s = time.perf_counter() - start
        return part.written.st_size

    def item(self, made: Made, size: int) -> Item:
        """The item of a result of so many bytes."""
        job, reading = self.job, self.reading
        notes = [*made.notes, *job.warnings, *self.notes]
        device = self.options.video.hwaccel
        if reading.decoded_by not in (None, device):
            notes.append(f"{device} does not decode {job.facts.codec}, the processor did")
        notes += [f"lost: {name}" for name in reading.riding if name not in job.facts.riding.others]
        notes += [f"left out: {other}, which no container holds" for other in self._lost]
        notes += reading.mends
        encode_s = made.seconds.get("encode", 0.0) + self._encode_s
        took = {"encode": round(encode_s, 4), "join": round(self._join_s, 4)}
        return replace(
            item_of(job, "done"),
            output_bytes=size,
            seconds=made.seconds | took,
            tile=made.tile,
            precision=made.precision,
            device=made.device,
            notes=tuple(dict.fromkeys([*notes, *reading.damage[:1]])),
            frames=len(reading.pts),
            repeated_frames=self.journal.repeated,
        )

    def _muxer(self, source_sha256: str) -> Muxer:
        job, window = self.job, self._window
        return Muxer(
            job.source.path,
            job.facts,
            job.encoding,
            self.journal.settled.threads,
            window,
            self.reading.pts[0] * job.facts.time_base - _shift(window),
            job.held,
            self._provenance(source_sha256),
            check=self.check,
        )

    def _expected(self, muxer: Muxer) -> Expected:
        part = part_of(self.options)
        return Expected(
            self.job.facts,
            self.job.encoding,
            self.reading.pts,
            muxer.copied,
            _shift(self._window),
            muxer.earliest_s,
            whole=part.whole,
            intact=not (self.reading.damage or self.reading.hidden),
            part=part,
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

    @property
    def _window(self) -> Window | None:
        """What of the other streams goes with the frames that were done; None for all."""
        wish, base, pts = self.options.video, self.job.facts.time_base, self.reading.pts
        first = pts[0] * base
        clock = self.job.facts.clock_start
        zero = min(clock, first) if clock else Fraction(0)
        if part_of(self.options).whole:
            return Window(None, None, zero) if zero else None
        shift = zero if wish.start is None else first
        stop = float(pts[-1] * base + 1 / self.job.facts.rate)
        start = float(shift) if wish.start is not None else None
        return Window(start, stop, shift)

    def _empty(self, muxer: Muxer) -> Sequence[str]:
        """The tracks of which nothing was copied."""
        kept = [
            other
            for other in self.job.facts.others
            if other.kept and other.type in ("audio", "subtitle", "video")
        ]
        return [f"{other} has nothing here" for other in kept if not muxer.copied.get(other.index)]

    @property
    def _lost(self) -> Sequence[str]:
        facts = self.job.facts
        told = {o.index for o in facts.refused_by(self.job.encoding.container)}
        lost = (o for o in facts.others if not (o.kept or o.made) and o.index not in told)
        return [str(other) for other in lost]


def part_of(options: UpscaleOptions) -> Part:
    """What of each video is wanted."""
    wish = options.video
    return Part(wish.start, wish.duration, wish.frames)


def _shift(window: Window | None) -> Fraction:
    return Fraction(0) if window is None else window.shift_s
