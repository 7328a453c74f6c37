"""Interlaced and telecined videos: what is done about them is decided before the work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from esc_cli.media.video.deinterlace_choice import AS_CALLED, Fields
from esc_cli.media.video.interlacing import fields_of, with_fields
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.video.plan import VideoJob


def with_fields_decided(
    job: VideoJob, options: UpscaleOptions, check: Callable[[], None] = lambda: None
) -> VideoJob:
    """The job with what becomes of the fields of its video, measured on a sample.

    `check` is called on the way and may raise. Raises ReadError for what cannot be opened.
    """
    wish = options.video
    fields = fields_of(
        job.source.path,
        job.facts,
        wish.deinterlace,
        doubled=wish.deinterlace_rate == "field",
        check=check,
    )
    facts = with_fields(job.facts, fields)
    rate = job.encoding.rate * fields.growth
    return replace(
        job,
        header=replace(job.header, frames=max(1, fields.count(job.header.frames))),
        facts=facts,
        encoding=replace(job.encoding, time_base=facts.time_base, rate=rate),
    )


def fingerprint_of(fields: Fields) -> dict[str, list[str]]:
    """What segments depend on; nothing where stray frames alone are deinterlaced."""
    if fields == AS_CALLED:
        return {}
    return {"fields": [fields.method, fields.order, "field" if fields.doubled else "frame"]}
