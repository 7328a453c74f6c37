"""What results will be called, before any header is read: all but their suffixes.

The inputs whose results might share a name, or take the place of an input, are told by that. They
may be more than in the end do, and are never fewer: a suffix has one dot, at its beginning, and a
result without one is a copy of an input whose name has no dot.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from esc_cli.files.hash_set import Hashes, repeated
from esc_cli.media.naming import (
    check_pattern,
    destination,
    folded,
    folder_for,
    name_for,
    placeholders_of,
)
from esc_cli.media.paths import Found, Resolver, Source, absolute, place_hash
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.input_places import InputPlaces
from esc_cli.tasks.upscale.options import UpscaleOptions

_NUMBERED = re.compile(r"~\d+\Z")
Marks = NDArray[np.bool_]


def are_known_early(options: UpscaleOptions) -> bool:
    """Whether names follow from those of the inputs, and not from their headers. Raises UsageError
    for a pattern that makes no names."""
    if options.name is None:
        return True
    check_pattern(options.name)
    by_header = {"width", "height"} | ({"scale"} if options.target.has_size else set())
    return not by_header & placeholders_of(options.name)


class ExpectedNames:
    """The names of the results of `found`, and what may collide of them.

    `places`: the inputs, also those of other shares.
    """

    def __init__(self, options: UpscaleOptions, models: Models, found: Found) -> None:
        self._found, self._pattern = found, options.name
        self._chosen = destination(options.inputs, options.output)
        self._input_folders = {*map(_folder_of, options.inputs)}
        self._several = len(options.inputs) > 1
        self._label = options.target.label(models.default_scale)
        scale = options.target.scale or models.default_scale
        self._values = {"label": self._label, "scale": f"{scale:.4g}"}
        self._folders: dict[tuple[Path | None, str], str] = {}
        self._parents: set[str] = set()
        self._keys = array("q")
        self.places = InputPlaces(found, self._read())

    def suspects(self) -> Marks:
        """Of each source whether its result may share a name with another, or be an input."""
        marks = self._sharing()
        self._mark_inputs(marks)
        return marks

    def name(self, source: Source) -> tuple[str, str]:
        """The absolute folder of its result, and the name without suffix."""
        path = source.path
        above = os.path.dirname(path)  # noqa: PTH120 - Path takes several times as long
        folder = self._folders.get((source.folder, above))
        if folder is None:
            root = folder_for(source, self._chosen, self._label, self._several)
            folder = os.path.abspath(root / source.relative.parent)  # noqa: PTH100
            self._folders[source.folder, above] = folder
        return folder, name_for(source, self._chosen, self._pattern, self._values)

    def _read(self) -> Iterator[int]:
        """The hash of the place of each source; what is compared later is noted on the way."""
        for source in self._found.sources:
            folder, name = self.name(source)
            self._keys.append(_key(folder, name))
            place = source.absolute
            self._parents.add(os.path.dirname(place))  # noqa: PTH120
            yield place_hash(place)

    def _sharing(self) -> Marks:
        keys = np.frombuffer(self._keys, np.int64)
        shared = repeated(keys)
        if not shared.size:
            return np.zeros(len(keys), np.bool_)
        marks: Marks = np.isin(keys, shared)
        self._mark_longer(marks)
        return marks

    def _mark_longer(self, marks: Marks) -> None:
        """Those that have the name which one of these gets instead: a.jpg.png, a.jpg.png~2 ..."""
        if marks.all():
            return
        sharing = (one for number, one in enumerate(self._named()) if marks[number])
        longer = Hashes(_key(folder, name + suffix) for folder, name, suffix in sharing)
        for number, (folder, name, _) in enumerate(self._named()):
            names = {name, _NUMBERED.sub("", name)}
            marks[number] |= any(_key(folder, one) in longer for one in names)

    def _named(self) -> Iterator[tuple[str, str, str]]:
        """Of each source the folder and name of its result, and its own suffix."""
        return ((*self.name(one), one.path.suffix) for one in self._found.sources)

    def _mark_inputs(self, marks: Marks) -> None:
        """Those whose result may have the place of an input, where one lies in its folder."""
        resolved = {one: os.fspath(absolute(Path(one))) for one in {*self._folders.values()}}
        homes = {*resolved.values()}
        inputs = self._inputs_in(homes) if homes & self._parents else ()
        taken = Hashes(chain(self._links(homes), inputs))
        if not taken:
            return
        for number, (folder, name, _) in enumerate(self._named()):
            names = {name, _stem(name)}  # a copy may have no suffix
            marks[number] |= any(hash(f"{resolved[folder]}/{one}") in taken for one in names)

    def _inputs_in(self, homes: set[str]) -> Iterator[int]:
        for source in self._found.sources:
            folder, name = os.path.split(source.absolute)
            if folder in homes:
                yield hash(f"{folder}/{_stem(name)}")

    def _links(self, homes: Iterable[str]) -> Iterator[int]:
        """Links in folders of results that lead to inputs."""
        resolve = Resolver()
        for home in homes:
            for name in _links_in(home):
                place = place_hash(resolve(Path(home, name)))
                if self.places.may_be(place):
                    yield hash(f"{home}/{_stem(name)}")

    def may_meet_others(self) -> bool:
        """Whether results may lie among inputs of other shares, of which no name is known."""
        if not self._found.others:
            return False
        homes = {os.fspath(absolute(Path(one))) for one in {*self._folders.values()}}
        return any(_is_in(home, folder) for home in homes for folder in self._input_folders)


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _folder_of(name: str) -> str:
    """Where the files lie that an input stands for."""
    place = absolute(Path(name))
    return os.fspath(place if os.path.isdir(place) else place.parent)  # noqa: PTH112


def _links_in(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_symlink()]
    except OSError:  # not there yet, or locked: then nothing can be written to it, either
        return []


def _key(folder: str, name: str) -> int:
    """64 bits of what names share that some file systems take for the same."""
    return hash(folded(f"{folder}/{name}"))


def _stem(name: str) -> str:
    """What stands before the last dot."""
    return name.rpartition(".")[0] or name
