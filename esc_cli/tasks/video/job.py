"""A video in the plan of a batch: container, encoder, sizes, before any work."""

from __future__ import annotations

import json
from dataclasses import dataclass

from esc_cli.engine.threads import available_cores
from esc_cli.media.video.colour import FULL_RANGE, ColourTags
from esc_cli.media.video.facts import FrameFormat, VideoFacts
from esc_cli.media.video.settings import (
    Encoding,
    container_of,
)
from esc_cli.tasks.job import Job
from esc_cli.tasks.options import UpscaleOptions

DEFAULT_SCALE = 2
"""Of a video that is given by itself; in a folder, the scale of the folder holds."""

ENCODER_THREADS = 8
SEGMENT_PIXELS = 240_000_000
SEGMENT_FRAMES = (24, 240)


@dataclass(frozen=True)
class VideoJob(Job):
    """One video that is to become one video."""

    facts: VideoFacts
    encoding: Encoding

    @property
    def warning(self) -> str:
        """What of the frames' metadata the result will not have; empty if nothing is lost."""
        lost, encoder = self.facts.riding.lost(self.encoding.encoder), self.encoding.encoder
        return f"will be lost, as {encoder} is not given it: {', '.join(lost)}" if lost else ""

    @property
    def disk_bytes(self) -> int:
        """The segments lie beside the result until it is checked."""
        return 2 * self.bytes_estimate


def video_settings_key(options: UpscaleOptions) -> str:
    """Everything in the options that changes the frames or the streams of a result."""
    engine, target, video = options.engine, options.target, options.video
    part = [video.start, video.duration, video.frames]
    return json.dumps(
        {
            "target": [target.scale, target.width, target.height, target.longest_side],
            "encoder": [video.codec, video.crf, video.preset, video.pix_fmt],
            "container": asked_container(options),
            "part": part,
            "precision": engine.precision,
            "tile": engine.tile,
            "overlap": engine.overlap,
            "self_ensemble": engine.self_ensemble,
        },
        separators=(",", ":"),
    )


def asked_container(options: UpscaleOptions) -> str | None:
    """The container that --format names; names of picture formats concern pictures only."""
    return None if options.format is None else container_of(f".{options.format}")


def is_full_range(tags: ColourTags) -> bool:
    """Whether samples use all levels."""
    return tags.full_range == FULL_RANGE


def segment_frames(result: FrameFormat, wanted: int | None) -> int:
    """Frames in a segment: what a kill may cost, and the distance of the key frames."""
    if wanted is not None:
        return wanted
    low, high = SEGMENT_FRAMES
    return max(low, min(high, SEGMENT_PIXELS // (result.width * result.height)))


def encoder_threads() -> int:
    """Threads for an encoder. The journal keeps them, because its result depends on them."""
    return min(available_cores(), ENCODER_THREADS)
