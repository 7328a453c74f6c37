"""Long lists of small values in few bytes: of millions of files, not one object each is held."""

from __future__ import annotations

import copyreg
import io
import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

T = TypeVar("T")

BLOCK = 256
"""Values that are packed together: enough to find what they have in common."""
KEPT = 1 << 14
"""The first values of a list stay as they are, which is quicker: nobody lacks memory for them."""
_LEVEL = 1  # of zlib: names that follow each other differ by a few digits


class Packed(Sequence[T]):
    """A list that is added to at its end, and read in order.

    After the first `KEPT` full blocks are held pickled and compressed, so that values must be
    picklable, and those of such blocks are new objects each time they are read. Single ones cost
    the unpacking of a block.
    """

    def __init__(self, values: Iterable[T] = ()) -> None:
        self._kept: list[T] = []
        self._blocks: list[bytes] = []
        self._open: list[T] = []
        self._last: tuple[int, list[T]] = (-1, [])
        self.extend(values)

    def append(self, value: T) -> None:
        """Add a value."""
        if len(self._kept) < KEPT:
            self._kept.append(value)
            return
        self._open.append(value)
        if len(self._open) == BLOCK:
            self._blocks.append(_packed(self._open))
            self._open = []

    def extend(self, values: Iterable[T]) -> None:
        """Add values."""
        for value in values:
            self.append(value)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept) + len(self._blocks) * BLOCK + len(self._open)

    def __iter__(self) -> Iterator[T]:
        """All in order; one block at a time is unpacked."""
        yield from self._kept
        for number in range(len(self._blocks)):
            yield from self._unpacked(number)
        yield from self._open

    @overload
    def __getitem__(self, index: int) -> T: ...

    @overload
    def __getitem__(self, index: slice) -> list[T]: ...

    def __getitem__(self, index: int | slice) -> T | list[T]:
        """One value, or a list of some. Raises IndexError."""
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        at = range(len(self))[index]
        if at < len(self._kept):
            return self._kept[at]
        number, place = divmod(at - len(self._kept), BLOCK)
        if number == len(self._blocks):
            return self._open[place]
        if self._last[0] != number:
            self._last = (number, self._unpacked(number))
        return self._last[1][place]

    def __eq__(self, other: object) -> bool:
        """Whether another list has the same values in the same order."""
        if not isinstance(other, (list, Packed)):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment] # as of every list

    def __repr__(self) -> str:
        """How many there are, not which."""
        return f"<{len(self)} packed values>"

    def _unpacked(self, number: int) -> list[T]:
        # Made by this process, which alone holds them.
        values: list[Any] = pickle.loads(zlib.decompress(self._blocks[number]))  # noqa: S301
        return values


def _packed(values: list[Any]) -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, pickle.HIGHEST_PROTOCOL)
    pickler.dispatch_table = _AS_TEXTS
    pickler.dump(values)
    return zlib.compress(stream.getbuffer(), _LEVEL)


_AS_TEXTS = copyreg.dispatch_table | {type(Path()): lambda path: (Path, (str(path),))}
"""Paths as one text each: their parts would be told by numbers that differ from path to path."""
