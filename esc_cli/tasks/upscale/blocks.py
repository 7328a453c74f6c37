"""A large batch in blocks, each a part of what was found: what is planned first, and what later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from esc_cli.files.packed_lists import Packed
from esc_cli.media.paths import Found, Source
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.expected_names import ExpectedNames, are_known_early
from esc_cli.tasks.upscale.options import UpscaleOptions


@dataclass(frozen=True)
class Sizes:
    """In inputs: up to `whole` a batch is planned whole; of a larger one `first`, then `more` at a
    time, few enough that nobody waits for them."""

    whole: int = 1 << 14
    first: int = 1 << 10
    more: int = 1 << 6


SIZES = Sizes()


class Blocks:
    """The parts of `found`, in its order, but for inputs whose results may share a name, or take
    the place of an input: those are all in the first one. So names come out as in a whole batch.
    """

    def __init__(
        self, options: UpscaleOptions, models: Models, found: Found, sizes: Sizes = SIZES
    ) -> None:
        self.found, self._sizes = found, sizes
        names = ExpectedNames(options, models, found)
        self.places = names.places
        self._first = names.suspects()
        self._first[: sizes.first] = True
        if names.may_meet_others():
            self._first[:] = True

    @property
    def total(self) -> int:
        """Inputs that become an item."""
        return len(self.found.sources) + len(self.found.problems)

    def first(self) -> Found:
        """What is planned before any work."""
        numbers = np.flatnonzero(self._first)
        end = int(numbers[-1]) + 1 if numbers.size else 0
        sources = zip(self._first[:end], self.found.sources, strict=False)
        first = Packed(source for is_first, source in sources if is_first)
        return replace(self.found, sources=first)

    def later(self) -> Iterator[Found]:
        """The others."""
        if self.is_whole:
            return
        numbered = zip(self._first, self.found.sources, strict=True)
        left: Iterator[Source] = (source for is_first, source in numbered if not is_first)
        while block := list(islice(left, self._sizes.more)):
            yield Found(Packed(block))

    @property
    def is_whole(self) -> bool:
        """Whether the first part is all of it."""
        return bool(self._first.all())

    @property
    def growth(self) -> float:
        """How many times as many inputs there are as in the first part."""
        return len(self._first) / max(1, self.first_count)

    @property
    def first_count(self) -> int:
        """Inputs of the first part."""
        return int(np.count_nonzero(self._first))


def may_be_planned_in_blocks(options: UpscaleOptions) -> bool:
    """Whether a part is planned as it would be in the whole.

    Workers of a cluster are shown its folders at their start: those of one input are known then.
    Videos that are shared are joined while the batch is at work, and then none may be looked at.
    """
    scattered = options.cluster is not None and len(options.inputs) > 1
    alone = not (options.in_place or options.shard_videos or scattered)
    return alone and are_known_early(options)
