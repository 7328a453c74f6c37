"""Which of millions of 64-bit hashes there are."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[np.int64]


class Hashes:
    """A set of hashes; of each 8 bytes are held."""

    def __init__(self, hashes: Iterable[int]) -> None:
        numbers = hashes if isinstance(hashes, np.ndarray) else np.fromiter(hashes, np.int64)
        self._ordered = array("q")  # in which a single one is found ten times as fast
        self._ordered.frombytes(np.unique(numbers).tobytes())

    def __len__(self) -> int:
        """How many there are."""
        return len(self._ordered)

    def __contains__(self, one: int) -> bool:
        """Whether one is among them."""
        at = bisect_left(self._ordered, one)
        return at < len(self._ordered) and self._ordered[at] == one

    def among(self, numbers: Numbers) -> NDArray[np.bool_]:
        """Of each number whether it is one of them."""
        if not self._ordered:
            return np.zeros(numbers.shape, np.bool_)
        ordered = np.frombuffer(self._ordered, np.int64)
        at = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
        found: NDArray[np.bool_] = ordered[at] == numbers
        return found


def repeated(numbers: Numbers) -> Numbers:
    """Those that are there more than once, each once and in order."""
    ordered = np.sort(numbers)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
