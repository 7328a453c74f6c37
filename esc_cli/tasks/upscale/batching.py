"""Small pictures that are alike go through the network together, so that a GPU has enough to do."""

from __future__ import annotations

import time
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

from esc_cli.engine.options import WHOLE
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.decode_queue import Decoded, pixels_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.picture import PictureUpscaler
from esc_cli.tasks.upscale.stages import Failure, Work, guarded, network_stage

BATCH_PIXELS = {"cuda": 1 << 19}
"""Input pixels that keep a device busy, by its type. Not measured; a CPU gains nothing by more."""

Outcome = Work | Failure


@dataclass
class Batches:
    """Joins pictures up to `pixels` input pixels, 0 for never, and takes them through a network."""

    pixels: int

    def joins(self, group: Sequence[Outcome], decoded: Decoded) -> bool:
        """Whether what was decoded can go through the network together with a group."""
        kind = _kind(decoded)
        if kind is None or kind != _kind(group[0]):
            return False
        return (len(group) + 1) * pixels_of(decoded) <= self.pixels

    def enlarge(self, group: Sequence[Outcome], models: Models, stop: Stop) -> Sequence[Outcome]:
        """The outcomes of the network stage, in order; raises nothing."""
        works = [work for work in group if isinstance(work, Work)]
        if len(works) > 1 and self._together(works, models, stop):
            return works
        return [_alone(work, models, stop) for work in group]

    def _together(self, works: Sequence[Work], models: Models, stop: Stop) -> bool:
        """Take all through the network at once; False if each must be done by itself instead."""
        start = time.perf_counter()
        try:
            done = _enlarged(works, models, stop)
        except Exception:  # noqa: BLE001 - which picture it comes from shows when each is alone
            done = False
        for work in works:
            work.took("network", (time.perf_counter() - start) / len(works))
        if not done:
            self.pixels //= 2  # short memory or a number format too narrow: it will happen again
        return done


def batches(options: UpscaleOptions, device_types: Collection[str]) -> Batches:
    """How pictures are joined for devices of these types."""
    if options.engine.tile:  # the user says how much is done at once
        return Batches(0)
    if options.batch_pixels is not None:
        return Batches(options.batch_pixels)
    return Batches(min((BATCH_PIXELS.get(kind, 0) for kind in device_types), default=0))


def _kind(decoded: Decoded) -> Hashable | None:
    """What pictures must share to be joined; None for one that has to be alone.

    Joined are RGB stills whose result has the size that is wanted as it is.
    """
    if not isinstance(decoded, Work) or decoded.job.choice is None:
        return None
    header, choice = decoded.job.header, decoded.job.choice
    size = header.width * choice.scale, header.height * choice.scale
    if header.frames > 1 or header.channels != 3 or size != decoded.job.size:
        return None
    return choice.checkpoint.path, choice.share, header.width, header.height, header.bits


def _alone(outcome: Outcome, models: Models, stop: Stop) -> Outcome:
    if isinstance(outcome, Failure):
        return outcome
    return guarded(outcome.job, partial(network_stage, outcome, models, stop))


def _enlarged(works: Sequence[Work], models: Models, stop: Stop) -> bool:
    """Whether all went through as each would have: whole, and in the precision that was chosen.

    Otherwise, and after an error, the works are as they were.
    """
    job = works[0].job
    pictures = [work.picture for work in works if work.picture is not None]
    if job.choice is None:
        raise ValueError("pictures are joined for a network")
    upscaler = models.upscaler(job.choice)
    together = PictureUpscaler(upscaler, job.size, stop.check)
    results = together.run_together(pictures)
    if any(done.notes or done.tile != WHOLE for done in together.passes):
        return False
    for work, result in zip(works, results, strict=True):
        work.picture, work.passes, work.device = result, together.passes, str(upscaler.device)
    return True
