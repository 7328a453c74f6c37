"""What finished parts of a video depend on, and what its first run settles for the others."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from esc_cli.files.source import status_of
from esc_cli.media.video.source import load_av
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.settings_key import of_frames
from esc_cli.tasks.upscale.video.deinterlace import fingerprint_of
from esc_cli.tasks.upscale.video.frames import batch_size, device_name, reason_against
from esc_cli.tasks.upscale.video.journal import Settled
from esc_cli.tasks.upscale.video.plan import VideoJob, encoder_threads
from esc_cli.tasks.upscale.video.segment_length import segment_frames
from esc_cli.tasks.upscale.video.unfinished import Wanted, leftovers_of

if TYPE_CHECKING:
    from esc_cli.engine.upscaler import Upscaler

JOURNAL_VERSION = 4
"""Raised when segments of an earlier esc can no longer be continued."""


def wanted_of(
    job: VideoJob, options: UpscaleOptions, status: os.stat_result, upscaler: Upscaler | None
) -> Wanted:
    """What a run of a job, whose fields are decided, could go on from. `status`: of its input."""
    fresh = _settled(job, options, upscaler)
    fits = partial(reason_against, fresh=fresh, upscaler=upscaler, source=job.facts.format)
    return Wanted(fingerprint(job, options, status), fresh, fits)


def _settled(job: VideoJob, options: UpscaleOptions, upscaler: Upscaler | None) -> Settled:
    """What a run that begins now would do."""
    source = job.facts.format
    length = segment_frames(job.encoding.format, options.video.segment_frames)
    batch = batch_size(upscaler, source)
    if upscaler is None:
        return Settled(batch, encoder_threads(), length)
    tile = upscaler.first_tile(source.height, source.width, batch)
    place = device_name(upscaler), upscaler.precision
    return Settled(batch, encoder_threads(), length, *place, tile)


def fingerprint(job: VideoJob, options: UpscaleOptions, status: os.stat_result) -> dict[str, Any]:
    """Everything that finished parts depend on."""
    av = load_av()
    libraries = {name: list(v) for name, v in sorted(av.library_versions.items())}
    decoder = options.video.hwaccel
    return {
        "version": JOURNAL_VERSION,
        "input": [str(job.source.path.absolute()), status.st_size, status.st_mtime_ns],
        "settings": of_frames(job.settings),
        "size": list(job.size),
        "weights": None if job.choice is None else job.choice.digest,
        "segment_frames": options.video.segment_frames,
        "libraries": libraries | {"torch": torch.__version__},
        **({} if decoder is None else {"decoder": decoder}),
    } | fingerprint_of(job.facts.fields)


def left_of(job: VideoJob, options: UpscaleOptions) -> tuple[str, ...]:
    """What earlier runs left that a run of a job, whose fields are decided, could not use."""
    status = status_of(job.source.path)
    wanted = Wanted(fingerprint(job, options, status), Settled(0, 0, 0), lambda _: "")
    return tuple(str(left) for left in leftovers_of(job.output, wanted))
