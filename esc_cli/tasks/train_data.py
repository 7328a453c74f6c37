"""Training pictures from a folder, through the codecs, into the cache."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock

from esc_cli.errors import ItemError, ReadError, UsageError
from esc_cli.media.arrays import read_rgb
from esc_cli.media.paths import Selection, find_sources
from esc_cli.media.video.kinds import is_video
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

    def paired(self, pictures: Pictures, folder: Path, scale: int) -> Filling:
        """The LR of each picture from a folder of its own.

        A partner has the picture's path below its folder, whatever the suffix, and may end in the
        scale, `a/0001x4.png`. Raises UsageError for one that lacks, and ReadError for one of a
        size that does not fit.
        """
        files = _pictures_below(folder, self.cache)
        by_name = {_bare(path, folder, scale): path for path in files}
        lacking = [e.name for e in pictures.entries if _stem(e.name) not in by_name]
        if lacking:
            listed = ", ".join(lacking[:4])
            raise UsageError(f"{len(lacking)} pictures have no LR here: {listed}", folder)
        partners = [by_name[_stem(entry.name)] for entry in pictures.entries]
        source = f"{fingerprint(self._files(), self.path)} {fingerprint(files, folder)} x{scale}"
        lr = yield from self._filled(
            "decoding LR",
            f"lr-paired-x{scale}",
            source,
            len(partners),
            lambda: self._fitting(pictures, partners, scale),
        )
        return lr

    def _fitting(
        self, pictures: Pictures, partners: list[Path], scale: int
    ) -> Iterator[tuple[str, Planes]]:
        for entry, path in zip(pictures.entries, partners, strict=True):
            planes = self._read(path)
            height, width = planes.shape[1:]
            if (height, width) != (entry.height // scale, entry.width // scale):
                hr = f"{entry.width} x {entry.height}"
                raise ReadError(f"is {width} x {height}, and its HR {hr}, at scale {scale}", path)
            yield entry.name, planes

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
        return _pictures_below(self.path, self.cache)

    def _decoded(self, files: list[Path], bad: list[ItemError]) -> Iterator[tuple[str, Planes]]:
        for path in files:
            try:
                yield str(path.relative_to(self.path)), self._read(path)
            except ItemError as error:
                if not self.skip_damaged:
                    raise
                bad.append(error)

    def _read(self, path: Path) -> Planes:
        """(3, H, W). Raises the errors of decoding, with the path."""
        try:
            pixels = read_rgb(path, self.max_pixels)
        except ItemError as error:
            raise type(error)(error.what, path, error.advice) from error
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _pictures_below(folder: Path, without: Path) -> list[Path]:
    """The pictures of a folder in order. Raises UsageError when there is none, or no folder."""
    if not folder.is_dir():
        raise UsageError("is no folder of pictures", folder)
    found = find_sources(
        (str(folder),), Selection(), output_root=without, is_output=lambda _: False
    )
    if found.problems:
        raise found.problems[0][1]
    pictures = [s.path for s in found.sources if not is_video(s.path)]
    if not pictures:
        raise UsageError("no pictures found", folder)
    return pictures


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(""))


def _bare(path: Path, folder: Path, scale: int) -> str:
    return _stem(str(path.relative_to(folder))).removesuffix(f"x{scale}").removesuffix("_")
