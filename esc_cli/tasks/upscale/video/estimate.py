"""What a video would take, for a dry run: measured on its first frames, nothing written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice

from esc_cli.errors import EscError
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.reader import Part, Reader
from esc_cli.media.video.scan import count_frames
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.video.frames import FrameUpscaler, batch_size
from esc_cli.tasks.upscale.video.plan import VideoJob, encoder_threads


@dataclass(frozen=True)
class Forecast:
    """Frames, seconds for one, seconds and bytes for all of them."""

    frames: int
    frame_s: float
    total_s: float
    total_bytes: int

    def __str__(self) -> str:
        return (
            f"about {self.frames} frames at {self.frame_s:.3f} s each, "
            f"{_duration(self.total_s)} in all, {self.total_bytes / 1e6:,.1f} MB"
        )


def forecast(job: VideoJob, models: Models, options: UpscaleOptions) -> Forecast:
    """Do a few frames and multiply. Raises the errors of decoding, engine and encoder.

    The time is that of the network, which decoder and encoder keep up with, and the size that of
    the frames measured, so both are as right as the first frames are like the rest.
    """
    upscaler = None if job.choice is None else models.upscaler(job.choice)
    network = FrameUpscaler(job.facts.format, job.encoding.format, upscaler, Stop().check)
    batch = batch_size(upscaler, job.facts.format)
    wish = options.video
    reader = Reader(job.source.path, job.facts, Part(start=wish.start))
    frames = list(islice(reader.frames(), 2 * batch))
    network.run(frames[:1])  # the first time is slower: kernels are chosen, memory is taken
    start = time.perf_counter()
    batches = [frames[at : at + batch] for at in range(0, len(frames), batch)]
    results = [planes for part in batches for planes in network.run(part)]
    frame_s = (time.perf_counter() - start) / max(1, len(frames))
    pairs = zip(frames, results, strict=True)
    encoded = _encoded_bytes(job, [RawFrame(f.pts, f.duration, p) for f, p in pairs])
    part = Part(wish.start, wish.duration, wish.frames)
    count = count_frames(job.source.path, job.facts, part) or job.header.frames
    return Forecast(count, frame_s, frame_s * count, encoded * count // max(1, len(frames)))


def _encoded_bytes(job: VideoJob, frames: list[RawFrame]) -> int:
    encoder = SegmentEncoder(job.encoding, encoder_threads())
    packets = [packet for frame in frames for packet in encoder.encode(frame)]
    packets += encoder.finish()
    return sum(len(packet.payload) for packet in packets)


def described(job: VideoJob, models: Models, options: UpscaleOptions) -> str:
    """The forecast as a sentence, or why there is none; nothing is fetched for it."""
    if job.choice is not None and not job.choice.checkpoint.here:
        return f"no forecast: {job.choice.checkpoint.name} is not here yet"
    try:
        return str(forecast(job, models, options))
    except EscError as error:
        return f"no forecast: {error.reason}"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
