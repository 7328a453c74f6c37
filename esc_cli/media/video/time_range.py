"""Which seconds of a source a result shows: what of its packets and chapters belongs to them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any


@dataclass(frozen=True)
class Window:
    """The seconds of the source that the result shows, in its own time; `shift_s` becomes 0.

    start_s and stop_s are None where nothing is cut off.
    """

    start_s: float | None
    stop_s: float | None
    shift_s: Fraction

    def holds(self, time_s: float) -> bool:
        """Whether a packet of this time belongs to the result."""
        begun = self.start_s is None or time_s >= self.start_s
        return begun and (self.stop_s is None or time_s < self.stop_s)

    def chapters(self, chapters: list[Any]) -> list[Any]:
        """Those that the result shows, as far as it does, in its time."""
        return [cut for chapter in chapters if (cut := self._chapter(dict(chapter)))]

    def _chapter(self, chapter: dict[str, Any]) -> dict[str, Any] | None:
        base = chapter["time_base"]
        start, end = chapter["start"] * base, chapter["end"] * base
        stop = end if self.stop_s is None else min(end, Fraction(self.stop_s))
        start = start if self.start_s is None else max(start, Fraction(self.start_s))
        if start >= stop:
            return None
        moved = {"start": round((start - self.shift_s) / base)}
        return chapter | moved | {"end": round((stop - self.shift_s) / base)}
