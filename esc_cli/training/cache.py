"""Decoded training pictures in flat files, read through memory maps.

A picture is decoded once, its LR made once per scale; patches are then slices of mapped memory.
`hr.bin` holds the pictures one after the other, (3, H, W) uint8 each; `lr-x4.bin` their LR at
scale 4; the index beside each, written last, says where each picture lies and from which files
it was made.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esc_cli.engine.resampling import degrade
from esc_cli.errors import DiskError, WriteError
from esc_cli.media.atomic import write_atomic

Planes = NDArray[np.uint8]
"""(3, H, W) uint8, R G B order."""

FORMAT = 1


@dataclass(frozen=True)
class Sized:
    """Where a picture lies in a flat file, in bytes, and its size in pixels."""

    name: str
    height: int
    width: int
    offset: int


class Pictures:
    """Decoded pictures of a flat file; each is a (3, H, W) view of mapped memory."""

    def __init__(self, path: Path, entries: tuple[Sized, ...]):
        self.entries = entries
        self._bytes = np.memmap(path, np.uint8, "r") if entries else np.empty(0, np.uint8)

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
        status = path.stat()
        entry = f"\0{path.relative_to(folder)}\0{status.st_size}\0{status.st_mtime_ns}"
        digest.update(entry.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def cached_pictures(
    folder: Path, name: str, source: str, planes: Callable[[], Iterable[tuple[str, Planes]]]
) -> Generator[int, None, Pictures]:
    """The pictures of `<folder>/<name>.bin`, made from `planes` unless they come from `source`.

    Yields the number of pictures done. `source` is a fingerprint. Raises DiskError when space
    runs out and WriteError for the rest; the index is written last, so a broken attempt is never
    taken for a whole one.
    """
    flat, index = folder / f"{name}.bin", folder / f"{name}.json"
    entries = _read_index(index, source)
    if entries is None or not _holds(flat, entries):
        made: list[Sized] = []
        for entry in _write(flat, planes()):
            made.append(entry)
            yield len(made)
        listed = [[e.name, e.height, e.width, e.offset] for e in made]
        write_atomic(index, json.dumps({"source": source, "pictures": listed}).encode())
        entries = tuple(made)
    return Pictures(flat, entries)


def _read_index(index: Path, source: str) -> tuple[Sized, ...] | None:
    try:
        stored = json.loads(index.read_text("utf-8"))
        if stored["source"] != source:
            return None
        return tuple(Sized(*entry) for entry in stored["pictures"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # no cache, or none of ours: it is made anew


def _holds(flat: Path, entries: tuple[Sized, ...]) -> bool:
    if not entries or not flat.is_file():
        return False
    last = entries[-1]
    return flat.stat().st_size == last.offset + 3 * last.height * last.width


def _write(flat: Path, planes: Iterable[tuple[str, Planes]]) -> Iterator[Sized]:
    part, offset = flat.with_suffix(".part"), 0
    try:
        with _failures_for(flat):
            flat.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as stream:
                for name, picture in planes:
                    stream.write(picture.tobytes())
                    yield Sized(name, picture.shape[1], picture.shape[2], offset)
                    offset += picture.size
            part.replace(flat)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def _failures_for(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskError("no space for the cache", path, "free some, or --cache") from error
        raise WriteError(f"cannot be written: {error.strerror}", path) from error


def smaller(pictures: Pictures, scale: int) -> Iterator[tuple[str, Planes]]:
    """The LR of each picture by the protocol of evaluation, at its top left whole multiple."""
    for index, entry in enumerate(pictures.entries):
        height, width = entry.height // scale * scale, entry.width // scale * scale
        hr: Tensor = torch.from_numpy(np.array(pictures[index][:, :height, :width]))
        yield entry.name, degrade(hr, scale).numpy()
