"""What a video would take, for a dry run: measured on a few frames, nothing written."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import islice
from statistics import fmean
from typing import Any

from esc_cli.errors import EscError
from esc_cli.media.video.codecs import GROUPING
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.reader import Part, Reader
from esc_cli.media.video.samples import Cost, Tally, cost_of, enlarged, runs_of, tally
from esc_cli.media.video.scan import count_frames
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.job import Outlook
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.video.frames import FrameUpscaler, batch_size
from esc_cli.tasks.upscale.video.plan import VideoJob, encoder_threads
from esc_cli.tasks.upscale.video.segment_length import segment_frames

KEY_FRAMES = 250
"""The most frames from one key frame to the next, of x264 and x265 by default."""
_OF_CUTS, _WITHOUT_CUTS = 60, 150
"""Frames between key frames of a source from which on they tell of cuts, and the guess below."""
_PER_FRAME = 10
"""Bytes that a container has for each frame."""


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
            f"{_duration(self.total_s)} in all, {_size(self.total_bytes)}"
        )


@dataclass(frozen=True)
class Measured:
    """What a network does with frames of a size: seconds for each, and how much larger the encoded
    frames are than ones that were enlarged in the plain way."""

    frame_s: float
    ratio: Cost


Known = dict[Any, Measured]
"""What was measured in a batch: each network once for each size and way to encode."""


def forecast(job: VideoJob, models: Models, options: UpscaleOptions, known: Known) -> Forecast:
    """Encode frames from several places and multiply. Raises the errors of decoder and engine.

    The time is that of the network, which decoder and encoder keep up with. The size is that of
    frames that are enlarged in the plain way, times what the network's cost more in a few.
    """
    wish = options.video
    part = Part(wish.start, wish.duration, wish.frames)
    count = count_frames(job.source.path, job.facts, part) or job.header.frames
    key = (job.choice and job.choice.digest, job.facts.format, job.encoding)
    if key not in known:
        known[key] = _measured(job, models, part)
    done = known[key]
    packets = tally(job.source.path, job.facts)
    keys = _key_frames(job, count, packets, options)
    total = _encoded_bytes(job, part, count, keys, done.ratio) + _PER_FRAME * count
    total += packets.copied * count / max(count, job.facts.fields.count(packets.packets))
    return Forecast(count, done.frame_s, done.frame_s * count, round(total))


def _measured(job: VideoJob, models: Models, part: Part) -> Measured:
    upscaler = None if job.choice is None else models.upscaler(job.choice)
    network = FrameUpscaler(job.facts.format, job.encoding.format, upscaler, Stop().check)
    batch = batch_size(upscaler, job.facts.format)
    reader = Reader(job.source.path, job.facts, Part(start=part.start))
    frames = list(islice(reader.frames(), max(4, batch)))
    network.run(frames[:1])  # the first time is slower: kernels are chosen, memory is taken
    start = time.perf_counter()
    batches = [frames[at : at + batch] for at in range(0, len(frames), batch)]
    results = [planes for some in batches for planes in network.run(some)]
    frame_s = (time.perf_counter() - start) / max(1, len(frames))
    pairs = zip(frames, results, strict=True)
    done = [RawFrame(f.pts, f.duration, planes) for f, planes in pairs]
    plain = [enlarged(frame, job.facts, job.encoding) for frame in frames]
    costs = (cost_of(some, job.encoding, encoder_threads()) for some in (done, plain))
    return Measured(frame_s, next(costs) / next(costs))


def _key_frames(job: VideoJob, count: int, packets: Tally, options: UpscaleOptions) -> float:
    """About how many key frames the result will have: at cuts, and where none was for long.

    Cuts are where the source has its own, if those are so far apart that the content placed them.
    """
    if job.encoding.encoder not in GROUPING:
        return count / segment_frames(job.encoding.format, options.video.segment_frames)
    distance = packets.packets / max(1, packets.keys)
    return count / min(KEY_FRAMES, distance if distance >= _OF_CUTS else _WITHOUT_CUTS)


def _encoded_bytes(job: VideoJob, part: Part, count: int, keys: float, ratio: Cost) -> float:
    """Bytes of the pictures."""
    costs, lengths = [], []
    for run in runs_of(job.source.path, job.facts, part, count):
        if run:
            plain = [enlarged(frame, job.facts, job.encoding) for frame in run]
            costs.append(cost_of(plain, job.encoding, encoder_threads()).times(ratio))
            lengths.append(len(run))
    if not costs:
        return 0.0
    if sum(lengths) >= count:  # all of it
        return costs[0].first + costs[0].other * (count - 1)
    keys = max(1.0, keys)
    first, other = fmean(one.first for one in costs), fmean(one.other for one in costs)
    return first * keys + other * (count - keys)


def described(job: VideoJob, models: Models, options: UpscaleOptions, known: Known) -> Outlook:
    """The forecast as a sentence, or why there is none; nothing is fetched for it."""
    frames = job.header.frames
    if job.choice is not None and not job.choice.checkpoint.here:
        return Outlook(frames, (f"no forecast: {job.choice.checkpoint.name} is not here yet",))
    try:
        done = forecast(job, models, options, known)
    except EscError as error:
        return Outlook(frames, (f"no forecast: {error.reason}",))
    return Outlook(frames, (str(done),), done.total_bytes)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e6 else f"{count / 1e6:.3f} MB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
