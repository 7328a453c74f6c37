"""Small pictures that are alike go through the network together, so that a GPU has enough to do."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass

from esc_cli.tasks.upscale.decode_queue import Decoded, pixels_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.stages import Failure, Work

BATCH_PIXELS = {"cuda": 1 << 19}
"""Input pixels that keep a device busy, by its type. Not measured; a CPU gains nothing by more."""

Outcome = Work | Failure


@dataclass
class Batches:
    """Joins pictures up to `pixels` input pixels, 0 for never."""

    pixels: int

    def joins(self, group: Sequence[Outcome], decoded: Decoded) -> bool:
        """Whether what was decoded can go through the network together with a group."""
        kind = _kind(decoded)
        if kind is None or kind != _kind(group[0]):
            return False
        return (len(group) + 1) * pixels_of(decoded) <= self.pixels

    def halve(self) -> None:
        """After memory was short or a number format too narrow: it would happen again."""
        self.pixels //= 2


def batches(options: UpscaleOptions, device_types: Collection[str]) -> Batches:
    """How pictures are joined for devices of these types."""
    if options.engine.tile:  # the user says how much is done at once
        return Batches(0)
    if options.batch_pixels is not None:
        return Batches(options.batch_pixels)
    return Batches(min((BATCH_PIXELS.get(kind, 0) for kind in device_types), default=0))


def _kind(decoded: Decoded) -> Hashable | None:
    """What pictures must share to be joined; None for one that has to be alone.

    Joined are RGB stills in whole numbers whose result has the size that is wanted as it is.
    """
    if not isinstance(decoded, Work) or decoded.job.choice is None:
        return None
    header, choice = decoded.job.header, decoded.job.choice
    size = header.width * choice.scale, header.height * choice.scale
    plain = header.channels == 3 and header.bits != 32
    if header.frames > 1 or not plain or size != decoded.job.size:
        return None
    return choice.checkpoint.path, choice.share, header.width, header.height, header.bits
