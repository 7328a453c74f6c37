"""Where the inputs of a batch lie, so that no result takes the place of one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from esc_cli.errors import UsageError, shown
from esc_cli.files.hash_set import Hashes
from esc_cli.media.paths import Found, Resolver, place_hash

if TYPE_CHECKING:
    from esc_cli.tasks.upscale.job import Job


class InputPlaces:
    """The places of all inputs of a batch, also of those that others do; of each 8 bytes are held.

    `own`: `place_hash` of each source of `found`, where somebody has them already.
    """

    def __init__(self, found: Found, own: Iterable[int] | None = None) -> None:
        self._found = found
        if own is None:
            own = (place_hash(source.absolute) for source in found.sources)
        hashes = np.fromiter(own, np.int64)
        if found.others:
            hashes = np.concatenate([hashes, np.frombuffer(found.others, np.int64)])
        self._hashes = Hashes(hashes)
        self._resolve = Resolver()

    def may_be(self, place: int) -> bool:
        """Whether the hash of a place is that of an input, if not by chance."""
        return place in self._hashes

    def refuse(self, jobs: Sequence[Job]) -> None:
        """Raise UsageError when an output is an input, even one that cannot be read.

        Places are compared by their hashes; of what may be an input more is looked at.
        """
        resolve = self._resolve
        places = np.fromiter((place_hash(resolve(job.output)) for job in jobs), np.int64)
        suspects = np.flatnonzero(self._hashes.among(places))
        if not suspects.size:
            return
        own = self._those_of(set(places[suspects].tolist()))
        for job in (jobs[int(index)] for index in suspects):
            place = resolve(job.output)
            if place in own or place_hash(place) in self._found.others:
                what = "is an input and would be overwritten"
                if place != job.source.absolute:
                    what += f" by the result of {shown(job.source.path)}"
                raise UsageError(what, job.output, "choose another -o, or a --name that differs")

    def _those_of(self, hashes: set[int]) -> set[Path]:
        places = (source.absolute for source in self._found.sources)
        return {place for place in places if place_hash(place) in hashes}
