"""Training pictures from a folder, through the codecs, into the cache."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from esc_cli.errors import ItemError, ReadError, UsageError, counted, shown
from esc_cli.files.lock import Lock
from esc_cli.media.paths import ARCHIVES, Found, Selection, find_sources
from esc_cli.media.rgb import read_rgb
from esc_cli.media.video.demuxers import is_video
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.training.cache import (
    ADVICE,
    Decoded,
    Pictures,
    Planes,
    Unusable,
    cached_pictures,
    fingerprint,
    smaller,
)
from esc_cli.training.events import Cached, Note

Filling = Generator[Cached | Note, None, Pictures]
NAMED = 20
"""How many unusable pictures are named; the others are counted."""


@dataclass(frozen=True)
class PictureFolder:
    """Pictures at any depth, and the folder where they are kept decoded.

    Those that cannot be used are named in notes, and end the run unless `skip_damaged`. While
    another process fills the cache, `check_stop` ends the waiting by what it raises.
    """

    path: Path
    cache: Path
    max_pixels: int
    skip_damaged: bool = False
    check_stop: Callable[[], None] | None = None

    def check(self, lr: Path | None, scale: int) -> None:
        """Raise UsageError, before work, for folders without pictures or without partners."""
        files = self._files()
        if lr is not None and not self.skip_damaged:  # a damaged picture needs no partner
            self._partners((str(path.relative_to(self.path)) for path in files), lr, scale)

    def pictures(self) -> Filling:
        """The pictures as they are. Raises UsageError when there is none, ReadError when some
        cannot be used and are not to be skipped, DiskError when the cache cannot be used."""
        found = _found_below(self.path, self.cache)
        files = _pictures_of(found)
        pictures = yield from self._filled(
            "decoding", "hr", self._source(), len(files), lambda: self._decoded(files)
        )
        closed = (Unusable(str(path), error.reason) for path, error in found.problems)
        inside = (Unusable(str(self.path / name), why) for name, why in pictures.unusable)
        yield from self._unusable([*closed, *inside])
        if not len(pictures):
            raise UsageError("none of the pictures can be used", self.path)
        return pictures

    def smaller(self, pictures: Pictures, scale: int) -> Filling:
        """The LR of each picture, by the protocol of evaluation."""
        lr = yield from self._filled(
            f"making LR x{scale}",
            f"lr-x{scale}",
            f"{self._source()} x{scale}",
            len(pictures),
            lambda: smaller(pictures, scale),
        )
        return lr

    def paired(self, pictures: Pictures, folder: Path, scale: int) -> Filling:
        """The LR of each picture from a folder of its own.

        A partner has the picture's path below its folder, whatever the suffix, and may end in the
        scale, `a/0001x4.png`. Raises UsageError for one that lacks, and ReadError when some cannot
        be used or are of a size that does not fit.
        """
        partners = self._partners((entry.name for entry in pictures.entries), folder, scale)
        files = _pictures_of(_found_below(folder, self.cache))
        lr = yield from self._filled(
            "decoding LR",
            f"lr-paired-x{scale}",
            f"{self._source()} {fingerprint(files, folder)} x{scale}",
            len(partners),
            lambda: self._fitting(pictures, partners, scale),
        )
        advice = "mend them, or remove both pictures of each pair"
        yield from _refused(list(lr.unusable), folder, advice)
        return lr

    def _partners(self, names: Iterable[str], folder: Path, scale: int) -> list[Path]:
        files = _pictures_of(_found_below(folder, self.cache))
        by_name = {_bare(path, folder, scale): path for path in files}
        wanted = list(names)
        lacking = [name for name in wanted if _stem(name) not in by_name]
        if lacking:
            listed = ", ".join(lacking[:4])
            raise UsageError(
                f"{counted(len(lacking), 'picture')} without LR here: {listed}", folder
            )
        return [by_name[_stem(name)] for name in wanted]

    def _unusable(self, found: list[Unusable]) -> Iterator[Note]:
        """Name them. Raises ReadError unless they are to be skipped."""
        if self.skip_damaged:
            yield from _named("left out", found)
        else:
            advice = "--skip-damaged leaves out what cannot be used"
            yield from _refused(found, self.path, advice)

    def _fitting(self, pictures: Pictures, partners: list[Path], scale: int) -> Iterator[Decoded]:
        for entry, path in zip(pictures.entries, partners, strict=True):
            planes = self._read(path)
            if not isinstance(planes, ItemError):
                height, width = planes.shape[1:]
                if (height, width) != (entry.height // scale, entry.width // scale):
                    hr = f"{entry.width} x {entry.height}"
                    what = f"is {width} x {height}, and its HR {hr}, at scale {scale}"
                    planes = ReadError(what)
            yield (str(path) if isinstance(planes, ItemError) else entry.name), planes

    def _filled(
        self,
        what: str,
        name: str,
        source: str,
        total: int,
        planes: Callable[[], Iterable[Decoded]],
    ) -> Filling:
        lock = Lock(self.cache / ".lock", ADVICE)
        try:
            yield from map(Note, lock.wait(check_stop=self.check_stop))
            filling = cached_pictures(self.cache, name, source, planes)
            while True:
                try:
                    done = next(filling)
                except StopIteration as end:
                    pictures: Pictures = end.value
                    return pictures
                yield Cached(what, done, total)
        finally:
            lock.release()

    def _files(self) -> list[Path]:
        return _pictures_of(_found_below(self.path, self.cache))

    def _source(self) -> str:
        """What the cache is made from: the files, and which of them are refused for their size."""
        return f"{fingerprint(self._files(), self.path)} up to {self.max_pixels} pixels"

    def _decoded(self, files: list[Path]) -> Iterator[Decoded]:
        for path in files:
            yield str(path.relative_to(self.path)), self._read(path)

    def _read(self, path: Path) -> Planes | ItemError:
        """(3, H, W), or why the picture cannot be used."""
        try:
            pixels = read_rgb(path, self.max_pixels)
        except ItemError as error:
            return error
        return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _refused(found: list[Unusable], folder: Path, advice: str) -> Iterator[Note]:
    """Name them and raise ReadError, if there are any; a single one is named by the error."""
    if len(found) == 1:
        raise ReadError(found[0].why, found[0].name, advice)
    if found:
        yield from _named("cannot be used", found)
        raise ReadError(f"{len(found)} pictures cannot be used", folder, advice)


def _named(how: str, found: Iterable[Unusable]) -> Iterator[Note]:
    listed = list(found)
    for one in listed[:NAMED]:
        yield Note(f"{how}: {shown(one.name)}: {one.why}")
    if len(listed) > NAMED:
        yield Note(f"{how}: {len(listed) - NAMED} more")


def _found_below(folder: Path, without: Path) -> Found:
    """What a folder holds. Raises UsageError when it holds no picture, or is no folder."""
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        raise UsageError("is no folder of pictures", folder)
    try:
        found = find_sources(
            (str(folder),), Selection(), output_root=without, source_of=lambda _: None
        )
    except UsageError as error:  # its advice is that of another command
        raise UsageError("no pictures found", folder) from error
    if not _pictures_of(found) and not found.problems:
        raise UsageError("no pictures found", folder)
    return found


def _pictures_of(found: Found) -> list[Path]:
    return [source.path for source in found.sources if _is_picture(source.path)]


def _is_picture(path: Path) -> bool:
    """Whether a file is to be decoded; what cannot be opened is, because that says why."""
    try:
        return path.suffix.lower() not in VIDEOS | ARCHIVES and not is_video(path)
    except ItemError:
        return True


def _stem(name: str) -> str:
    return str(Path(name).with_suffix(""))


def _bare(path: Path, folder: Path, scale: int) -> str:
    return _stem(str(path.relative_to(folder))).removesuffix(f"x{scale}").removesuffix("_")
