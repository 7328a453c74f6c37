"""What a video becomes: its size, encoder and container, decided before any work."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from esc_cli.engine.threads import available_cores
from esc_cli.errors import ItemError, UsageError, WriteError
from esc_cli.media.formats import OutputPlan
from esc_cli.media.paths import Source
from esc_cli.media.picture import Header
from esc_cli.media.video.codecs import (
    CONTAINERS,
    Codec,
    Encoding,
    codec_by_name,
    codec_options,
    container_candidates,
    container_of,
    transparency_refused,
    transparent_codec,
    unused_options,
)
from esc_cli.media.video.colour_tags import (
    FULL_RANGE,
    LIMITED_RANGE,
    RGB,
    UNSPECIFIED,
    ColourTags,
    prores_tags,
    resolved_matrix,
)
from esc_cli.media.video.info import VideoFacts
from esc_cli.media.video.lossless import bytes_on_the_way
from esc_cli.media.video.pixel_formats import Layout
from esc_cli.media.video.trial_result import UNTRIED, TrialResult
from esc_cli.tasks.models import AUTO, Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.job import Outlook, StreamedJob
from esc_cli.tasks.upscale.memory_limit import picture_bytes
from esc_cli.tasks.upscale.options import Streams, UpscaleOptions
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.segment_length import LEAST_STEPS, segment_frames
from esc_cli.tasks.upscale.video.streams import fitted
from esc_cli.tasks.upscale.video.streams import told as streams_told

DEFAULT_SCALE = 2
"""Of a video that is given by itself; in a folder, the scale of the folder holds."""

ENCODER_THREADS = 8
FRAMES_ON_THE_WAY = 500
"""That may wait on disk until the encoder ends a group: a longest one, and what it looks ahead."""
FRAMES_AT_ONCE = 7
"""Of each kind, decoded and enlarged, in batches of one: two times the batch and two wait."""


@dataclass(frozen=True)
class VideoJob(StreamedJob):
    """One video that is to become one video."""

    facts: VideoFacts
    encoding: Encoding
    held: TrialResult = UNTRIED

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is told before the work: what is done about fields, and what will be lost."""
        encoder, own = self.encoding.encoder, self.facts.layout
        bits = self.encoding.layout.bits
        lost = [one for one in self.facts.riding.lost(encoder) if one not in self.held.riding]
        told = (
            self.facts.fields.found,
            *self.held.notes,
            f"will be lost, as {encoder} is not given it: {', '.join(lost)}" if lost else "",
            f"{own.bits} bits become {bits}" if bits < own.bits else "",
            *streams_told(self.facts, self.encoding.container),
        )
        return tuple(filter(None, told))

    @property
    def memory_bytes(self) -> int:
        """The frames that wait in the queues and are at work."""
        return FRAMES_AT_ONCE * picture_bytes(replace(self.header, frames=1), self.size, 0)

    @property
    def disk_bytes(self) -> int:
        """The segments lie beside the result until it is checked."""
        return 2 * self.bytes_estimate

    @property
    def passing_bytes(self) -> int:
        """Frames lie there until the encoder has ended their group, without a loss."""
        return bytes_on_the_way(self.encoding, min(self.header.frames, FRAMES_ON_THE_WAY))

    def waiting_bytes(self, options: UpscaleOptions) -> int:
        """All frames, but for those that lie there already, until one of the shares encodes them.

        On a cluster, of which nobody knows yet how many work, two count for long.
        """
        shard = Shard(1, 2) if options.shard is None else options.shard
        if not self.is_shared(replace(options, cluster=None, shard=shard)):
            return 0
        from esc_cli.tasks.upscale.video.unfinished import bytes_of

        all_frames = bytes_on_the_way(self.encoding, self.header.frames)
        return max(0, all_frames - bytes_of(self.output))

    def is_shared(self, options: UpscaleOptions) -> bool:
        """Whether it is long: of some segments for each share; a seat is at nothing else."""
        if options.shard is None or not options.shard_videos:
            return False
        if isinstance(options.shard, Seat):
            return True
        length = segment_frames(self.encoding.format, options.video.segment_frames)
        return self.header.frames >= length * LEAST_STEPS * options.shard.count

    def discard_unfinished(self) -> None:
        """As `unfinished.discard_unfinished`."""
        from esc_cli.tasks.upscale.video.unfinished import discard_unfinished

        discard_unfinished(self.output)

    def problem(self) -> str:
        """Why the encoder would refuse the video; "" if it does not. Raises DeviceError."""
        from esc_cli.media.video.encoder import check_encoder

        try:
            check_encoder(self.encoding, threads=1)
        except ItemError as error:
            return error.reason
        return ""

    def forecast(self, models: Models, options: UpscaleOptions, known: dict[Any, Any]) -> Outlook:
        """Measured on a sample and on frames from several places; nothing is written or fetched."""
        from esc_cli.tasks.upscale.video.deinterlace import with_fields_decided
        from esc_cli.tasks.upscale.video.estimate import described
        from esc_cli.tasks.upscale.video.fingerprint import left_of

        job = with_fields_decided(self, options)
        found = described(job, models, options, known)
        return replace(found, notes=(*job.warnings, *left_of(job, options), *found.notes))

    def run(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop
    ) -> Iterator[ItemEvent]:
        """As `VideoRun.run`."""
        from esc_cli.tasks.upscale.video.run import VideoRun

        return VideoRun(self, options, models, shelf.at(self.root), stop).run()


def is_full_range(tags: ColourTags) -> bool:
    """Whether samples use all levels."""
    return tags.full_range == FULL_RANGE


def encoder_threads() -> int:
    """Threads for an encoder. The journal keeps them, because its result depends on them."""
    return min(available_cores(), ENCODER_THREADS)


@dataclass(frozen=True)
class Found:
    """A video and the size that its result gets.

    size: coded (width, height) of the result. scale: what holds when none is asked for.
    frames: about how many will be done.
    """

    path: Path
    facts: VideoFacts
    size: tuple[int, int]
    scale: float
    frames: int

    def job(
        self,
        source: Source,
        choice: Choice | None,
        made: Draft,
        places: tuple[Path, Path],
        settings: str,
    ) -> VideoJob:
        """The job; `places` are the root of the output tree and the output."""
        facts, (root, output) = self.facts, places
        bits = 8 * facts.layout.bytes_per_sample
        channels = 4 if facts.layout.alpha else 3
        header = Header(facts.demuxer, facts.width, facts.height, channels, bits, self.frames)
        size = self.size
        return VideoJob(
            source, header, size, choice, made.format, root, output, settings,
            self._estimated_bytes(source), made.facts, made.encoding, made.held,
        )  # fmt: skip

    def _estimated_bytes(self, source: Source) -> int:
        """Bytes of the result: as many per pixel as in the input."""
        facts = self.facts
        share = min(1.0, self.frames / max(1, facts.frames))
        growth = self.size[0] * self.size[1] / (facts.width * facts.height)
        return int(source.path.stat().st_size * share * growth)


def scale_alone(options: UpscaleOptions, models: Models) -> int:
    """The scale of a video that is given by itself, when none is asked for."""
    return DEFAULT_SCALE if options.model in {None, AUTO} else models.default_scale


def look_at(source: Source, options: UpscaleOptions, models: Models) -> Found:
    """Probe a video. Raises the errors of `probe_video`."""
    from esc_cli.media.video.probe import probe_video

    facts = probe_video(source.path, options.max_pixels)
    alone = source.folder is None
    default = scale_alone(options, models) if alone else models.default_scale
    # The target counts for the picture as shown.
    width, height = options.target.size(*facts.upright, default)
    size = (height, width) if facts.rotation % 180 else (width, height)
    return Found(source.path, facts, size, default, _frames_wanted(facts, options))


@dataclass(frozen=True)
class Draft:
    """The encoder and the container for a video, what they hold of it, and what becomes of its
    other streams."""

    facts: VideoFacts
    encoding: Encoding
    format: OutputPlan
    held: TrialResult


def draft(found: Found, options: UpscaleOptions, suffix: str, own: Path | None) -> Draft:
    """Decide how a video is written. `suffix`: the input's; `own`: the file named by -o.

    Raises UsageError for options that do not go together, UnsupportedError when the encoder is not
    there, or a stream is to be kept that the container cannot hold.
    """
    from esc_cli.media.video.encoder import output_layout

    facts, size, wish = found.facts, found.size, options.video
    asked = options.container if own is None else _named(own)
    codec = _codec(facts, wish.codec, asked, suffix)
    layout = output_layout(codec, facts.layout, wish.pix_fmt)
    candidates = container_candidates(codec, suffix, asked)
    if layout.alpha:
        candidates = tuple(name for name in candidates if name != "mp4")
    tags = result_tags(facts, size, layout)
    if codec.encoder == "prores_ks":
        tags = prores_tags(tags, size)
    rate = facts.rate if facts.rate > 0 else facts.time_base
    encoding = Encoding(
        codec.encoder,
        codec_options(codec, wish.crf, wish.preset, named=wish.codec is not None)
        + facts.riding.options(codec.encoder),
        candidates[0],
        layout,
        *size,
        facts.time_base,
        rate,
        facts.sar,
        tags,
        facts.display_matrix,
    )
    facts, encoding, held = _tried(found, encoding, candidates, wish.streams)
    held = replace(held, notes=held.notes + unused_options(codec, wish.crf, wish.preset))
    container = encoding.container
    known = CONTAINERS[container]
    ending = own.suffix if own is not None else suffix
    plan = OutputPlan(container, ending if ending.lower() in known else known[0])
    return Draft(facts, encoding, plan, held)


def _tried(
    found: Found, encoding: Encoding, candidates: tuple[str, ...], wish: Streams
) -> tuple[VideoFacts, Encoding, TrialResult]:
    """What becomes of the streams, as a trial with their first packets shows.

    Raises UnsupportedError naming a stream that is to be kept and does not fit, WriteError where
    the pictures alone cannot be written.
    """
    from esc_cli.media.video.trial_mux import refused_in_trial, tried

    facts = found.facts
    while True:
        container, fit = fitted(facts, candidates, wish)
        chosen = replace(encoding, container=container)
        try:
            return fit, chosen, tried(found.path, fit, chosen)
        except WriteError:
            refused = refused_in_trial(found.path, fit, chosen)
            if not refused or set(refused) <= set(facts.refused_by(container)):
                raise
            facts = facts.refusing(container, refused)


def _codec(facts: VideoFacts, name: str | None, asked: str | None, suffix: str) -> Codec:
    """The codec of a name, or that for the container. `asked`: the container, if one was."""
    is_transparent = facts.layout.alpha
    if is_transparent and asked == "mp4":
        raise transparency_refused(facts.layout.name, asked)
    if is_transparent and name is None:
        return transparent_codec(facts.codec, asked or container_of(suffix))
    return codec_by_name(name)


def _named(own: Path) -> str:
    container = container_of(own.suffix)
    if container is None:
        held = ", ".join(suffixes[0] for suffixes in CONTAINERS.values())
        raise UsageError("is no name for a video", own, f"use one of {held}")
    return container


def result_tags(facts: VideoFacts, size: tuple[int, int], layout: Layout) -> ColourTags:
    """The source's tags, with the matrix that the result really has.

    One that the source leaves to the size is stated when the size tips it; RGB that becomes YUV
    gets the one that players take for the size, and YUV that becomes RGB has none.
    """
    tags = facts.tags
    if layout.kind == "rgb":
        return replace(tags, matrix=RGB, full_range=FULL_RANGE)
    if facts.layout.kind == "rgb":
        return replace(tags, matrix=resolved_matrix(ColourTags(), *size), full_range=LIMITED_RANGE)
    own = resolved_matrix(tags, facts.width, facts.height)
    left_open = tags.matrix == UNSPECIFIED and facts.layout.kind == "yuv"
    if left_open and resolved_matrix(tags, *size) != own:
        return replace(tags, matrix=own)
    return tags


def _frames_wanted(facts: VideoFacts, options: UpscaleOptions) -> int:
    """About how many frames a run will do."""
    wish = options.video
    frames = facts.frames
    if wish.start is not None:
        frames -= round(wish.start * facts.rate)
    if wish.duration is not None:
        frames = min(frames, round(wish.duration * facts.rate))
    if wish.frames is not None:
        frames = min(frames, wish.frames)
    return max(1, frames)
