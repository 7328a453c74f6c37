"""Training pictures from a folder, through the codecs, into the cache."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from esc_cli.errors import ItemError, UsageError
from esc_cli.media.arrays import read_rgb
from esc_cli.media.paths import Selection, find_sources
from esc_cli.training.cache import Pictures, Planes, cached_pictures, fingerprint, smaller
from esc_cli.training.events import Cached, Note

Filling = Generator[Cached | Note, None, Pictures]


@dataclass(frozen=True)
class PictureFolder:
    """Pictures at any depth, and the folder where they are kept decoded.

    One that cannot be used ends the run and is named; with `skip_damaged` it is named in a note.
    """

    path: Path
    cache: Path
    max_pixels: int
    skip_damaged: bool = False

    def pictures(self) -> Filling:
        """The pictures as they are. Raises UsageError when there is none, ReadError,
        UnsupportedError and TooLargeError for one that cannot be used."""
        files = self._files()
        source = fingerprint(files, self.path)
        bad: list[ItemError] = []
        pictures = yield from self._filled(
            "decoding", "hr", source, len(files), lambda: self._decoded(files, bad)
        )
        for error in bad:
            yield Note(f"left out: {error}")
        if not len(pictures):
            raise UsageError("none of the pictures can be used", self.path)
        return pictures

    def smaller(self, pictures: Pictures, scale: int) -> Filling:
        """The LR of each picture, by the protocol of evaluation."""
        source = f"{fingerprint(self._files(), self.path)} x{scale}"
        lr = yield from self._filled(
            f"making LR x{scale}",
            f"lr-x{scale}",
            source,
            len(pictures),
            lambda: smaller(pictures, scale),
        )
        return lr

    def _filled(
        self,
        what: str,
        name: str,
        source: str,
        total: int,
        planes: Callable[[], Iterable[tuple[str, Planes]]],
    ) -> Filling:
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / ".lock"):
            filling = cached_pictures(self.cache, name, source, planes)
            while True:
                try:
                    done = next(filling)
                except StopIteration as end:
                    pictures: Pictures = end.value
                    return pictures
                yield Cached(what, done, total)

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            raise UsageError("is no folder of pictures", self.path)
        found = find_sources(
            (str(self.path),), Selection(), output_root=self.cache, is_output=lambda _: False
        )
        if found.problems:
            raise found.problems[0][1]
        return [source.path for source in found.sources]

    def _decoded(self, files: list[Path], bad: list[ItemError]) -> Iterator[tuple[str, Planes]]:
        for path in files:
            try:
                pixels = read_rgb(path, self.max_pixels)
            except ItemError as error:
                named = type(error)(error.what, path, error.advice)
                if not self.skip_damaged:
                    raise named from error
                bad.append(named)
                continue
            yield str(path.relative_to(self.path)), np.ascontiguousarray(pixels.transpose(2, 0, 1))
