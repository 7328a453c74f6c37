"""Decoded training pictures in flat files, read through memory maps.

A picture is decoded once, its LR made once per scale; patches are then slices of mapped memory.
`hr.bin` holds the pictures one after the other, (3, H, W) uint8 each; `lr-x4.bin` their LR at
scale 4; the index beside each, written last, says where each picture lies, from which files it was
made, and which of them could not be used.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esc_cli.engine.imresize import degrade
from esc_cli.errors import DiskError, ItemError
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import disk_errors

Planes = NDArray[np.uint8]
"""(3, H, W) uint8, R G B order."""

FORMAT = 2
ADVICE = "choose another --cache"


@dataclass(frozen=True)
class Sized:
    """Where a picture lies in a flat file, in bytes, and its size in pixels."""

    name: str
    height: int
    width: int
    offset: int


class Unusable(NamedTuple):
    """A picture that could not be used, and why."""

    name: str
    why: str


class Pictures:
    """Decoded pictures of a flat file; each is a (3, H, W) view of mapped memory.

    `unusable` names those that are not in it.
    """

    def __init__(self, path: Path, entries: tuple[Sized, ...], unusable: tuple[Unusable, ...] = ()):
        self.entries, self.unusable = entries, unusable
        empty = path.stat().st_size == 0  # which cannot be mapped
        self._bytes = np.empty(0, np.uint8) if empty else np.memmap(path, np.uint8, "r")

    def __len__(self) -> int:
        return len(self.entries)

    def __getitem__(self, index: int) -> Planes:
        entry = self.entries[index]
        count = 3 * entry.height * entry.width
        plane = self._bytes[entry.offset : entry.offset + count]
        return plane.reshape(3, entry.height, entry.width)


def fingerprint(paths: Iterable[Path], folder: Path) -> str:
    """A digest that changes when a file comes, goes or changes."""
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    for path in paths:
        entry = f"\0{path.relative_to(folder)}\0{_stamp(path)}"
        digest.update(entry.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _stamp(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:  # decoding it will say why
        return "not readable"
    return f"{status.st_size}\0{status.st_mtime_ns}"


Decoded = tuple[str, "Planes | ItemError"]
"""A picture's name, and its pixels or why it cannot be used."""


def cached_pictures(
    folder: Path, name: str, source: str, planes: Callable[[], Iterable[Decoded]]
) -> Generator[int, None, Pictures]:
    """The pictures of `<folder>/<name>.bin`, made from `planes` unless they come from `source`.

    Yields the number of pictures looked at. `source` is a fingerprint. Raises DiskError when a file
    cannot be written or read; the index is written last, so a broken attempt is never taken for a
    whole one.
    """
    flat, index = folder / f"{name}.bin", folder / f"{name}.json"
    stored = _read_index(index, source)
    if stored is None or not _holds(flat, stored[0]):
        made: list[Sized] = []
        unusable: list[Unusable] = []
        for entry in _write(flat, planes()):
            if isinstance(entry, Sized):
                made.append(entry)
            else:
                unusable.append(entry)
            yield len(made) + len(unusable)
        listed = [[e.name, e.height, e.width, e.offset] for e in made]
        content = {"source": source, "pictures": listed, "unusable": unusable}
        with disk_errors(ADVICE):
            write_atomic(index, json.dumps(content).encode())
        stored = tuple(made), tuple(unusable)
    with _failures_for(flat):
        return Pictures(flat, *stored)


Stored = tuple[tuple[Sized, ...], tuple[Unusable, ...]]


def _read_index(index: Path, source: str) -> Stored | None:
    try:
        stored = json.loads(index.read_text("utf-8"))
        if stored["source"] != source:
            return None
        entries = tuple(Sized(*entry) for entry in stored["pictures"])
        return entries, tuple(Unusable(*entry) for entry in stored["unusable"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no cache, or none of ours: it is made anew


def _holds(flat: Path, entries: tuple[Sized, ...]) -> bool:
    if not flat.is_file():
        return False
    last = entries[-1] if entries else Sized("", 0, 0, 0)
    return flat.stat().st_size == last.offset + 3 * last.height * last.width


def _write(flat: Path, planes: Iterable[Decoded]) -> Iterator[Sized | Unusable]:
    part, offset = flat.with_suffix(".part"), 0
    try:
        with _failures_for(flat):
            with part.open("wb") as stream:
                for name, picture in planes:
                    if isinstance(picture, ItemError):
                        yield Unusable(name, picture.reason)
                        continue
                    stream.write(picture.tobytes())
                    yield Sized(name, picture.shape[1], picture.shape[2], offset)
                    offset += picture.size
            part.replace(flat)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextmanager
def _failures_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        full = error.errno == errno.ENOSPC
        what = "no space for the cache" if full else f"the cache cannot be used: {error.strerror}"
        raise DiskError(what, path, f"free some, or {ADVICE}" if full else ADVICE) from error


def smaller(pictures: Pictures, scale: int) -> Iterator[tuple[str, Planes]]:
    """The LR of each picture by the protocol of evaluation, at its top left whole multiple."""
    for index, entry in enumerate(pictures.entries):
        height, width = entry.height // scale * scale, entry.width // scale * scale
        if not height or not width:
            yield entry.name, np.empty((3, height // scale, width // scale), np.uint8)
            continue
        hr: Tensor = torch.from_numpy(np.array(pictures[index][:, :height, :width]))
        yield entry.name, degrade(hr, scale).numpy()
