"""Which files of a watched folder have arrived whole, as far as size and time can tell."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.media.paths import Source
from esc_cli.tasks.upscale.events import Item

State = tuple[int, int, int, int]
"""Device, inode, size in bytes, and modification time in ns of a file."""


def state_of(path: Path) -> State | None:
    """The file as it is now, None for one that is not there or cannot be looked at."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@dataclass
class Arrivals:
    """What is known of each file: since when it stands still, and what became of it.

    `settle_s`: seconds for which a file must have stood still. Times are of a monotonic clock.
    """

    settle_s: float
    _seen: dict[Path, tuple[State | None, float]] = field(default_factory=dict)
    _ended: dict[Path, tuple[State | None, Item]] = field(default_factory=dict)

    def look(self, sources: Iterable[Source], now: float) -> None:
        """Take in the files that there are; those that have gone are forgotten."""
        before, self._seen = self._seen, {}
        for source in sources:
            state = state_of(source.path)
            old = before.get(source.path)
            still = old is not None and old[0] == state
            self._seen[source.path] = old if still and old is not None else (state, now)
        self._ended = {path: end for path, end in self._ended.items() if path in self._seen}

    def settled(self, sources: Iterable[Source], now: float) -> list[Source]:
        """Those that stand still for long enough, but for those that failed as they are."""
        return [
            source
            for source in sources
            if self._is_still(source.path, now) and not self._has_failed(source.path)
        ]

    def is_new(self, source: Source) -> bool:
        """Whether nothing has become yet of the file as it is."""
        ended = self._ended.get(source.path)
        return ended is None or ended[0] != self._seen[source.path][0]

    @property
    def unsettled(self) -> bool:
        """Whether there is a file of which nothing has become yet."""
        there = (path for path, (state, _) in self._seen.items() if state is not None)
        return any(self.is_new(Source(path)) for path in there)

    def has_changed(self, path: Path) -> bool:
        """Whether the file is another one now than when it was looked at last."""
        seen = self._seen.get(path)
        return seen is not None and state_of(path) != seen[0]

    def ended(self, item: Item) -> bool:
        """Keep what became of a file. False if that was known."""
        path = Path(item.input)
        state = self._seen.get(path, (None, 0.0))[0]
        old = self._ended.get(path)
        if old is not None and old[0] == state and item.status == "skipped":
            return False
        self._ended[path] = state, item
        return True

    @property
    def items(self) -> Mapping[Path, Item]:
        """What became of each file that is there."""
        return {path: item for path, (_, item) in self._ended.items()}

    def _is_still(self, path: Path, now: float) -> bool:
        state, since = self._seen[path]
        return state is not None and now - since >= self.settle_s

    def _has_failed(self, path: Path) -> bool:
        state, item = self._ended.get(path, (None, None))
        return item is not None and item.status == "failed" and state == self._seen[path][0]
