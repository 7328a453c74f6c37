"""When the frames of joined segments are decoded, where that is not the order they are shown in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice


def reorder_depth(pts: Sequence[int]) -> int:
    """How many frames a decoder must have before it can show the first.

    pts: timestamps of a closed segment, each once, in the order in which its frames are decoded.
    """
    ranks = {time: rank for rank, time in enumerate(sorted(pts))}
    return max((number - ranks[time] for number, time in enumerate(pts)), default=0)


def decode_times(segments: Iterable[Sequence[int]], depth: int) -> Iterator[int]:
    """The DTS of every packet of segments that follow each other.

    segments: as for `reorder_depth`, each later than the one before. depth: the largest of them
    all. A frame is decoded when the one `depth` places before is shown, so that DTS increase and
    none is later than its PTS; the first come before the first PTS, by the distances of the frames.
    """
    shown = chain.from_iterable(map(sorted, segments))
    first = list(islice(shown, depth + 1))
    if not first:
        return
    early = first[-1] - first[0]
    yield from (time - early for time in first[:-1])
    yield from chain(first, shown)
