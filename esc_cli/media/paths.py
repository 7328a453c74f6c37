"""Which files a batch consists of. No pictures are opened here."""

from __future__ import annotations

import errno
import os
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path, PurePath

from esc_cli.errors import ItemError, ReadError, UsageError, shown
from esc_cli.files.packed_lists import Packed
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.output_formats import SUFFIXES
from esc_cli.media.video_suffixes import REFUSED_VIDEOS, VIDEOS, is_only_sound

PICTURES = frozenset(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)

ARCHIVES = frozenset((".cbz", ".zip"))
"""Every suffix of an archive of pictures."""

_REFUSED_NAMES = (
    "psd psb svg svgz ico cur icns jp2 j2k jpx jpf jpc j2c jxr wdp jls dcx sgi ras "
    "rgb rgba bw sun iff ilbm lbm fpx xbm xpm wmf emf dpx bpg flif jng mng djvu djv "
    "cbr cb7 cbt ppm pgm pbm pnm pam pfm dds xcf eps qoi"
)
REFUSED = frozenset(f".{name}" for name in _REFUSED_NAMES.split())
"""Suffixes of pictures that are not supported: a folder scan names them instead of passing by."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to do: `path` as the user gave it, `folder` the input folder it was found in.

    `resolved`: its absolute path, where a scan has found that already.
    """

    path: Path
    folder: Path | None = None
    resolved: Path | None = field(default=None, compare=False, repr=False)

    @property
    def absolute(self) -> Path:
        """As `absolute` of its path."""
        return absolute(self.path) if self.resolved is None else self.resolved

    @property
    def relative(self) -> Path:
        """The path below the input folder, or the bare name of a file given by itself."""
        return Path(self.path.name) if self.folder is None else self.path.relative_to(self.folder)


@dataclass(frozen=True)
class Selection:
    """What a folder scan picks up: glob patterns on the name or on the path below the folder."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    recursive: bool = True


@dataclass
class Found:
    """The files to do in order, the inputs that cannot be done, and how many were left out.

    There may be millions of them. others: of the files that others do, `place_hash` alone.
    """

    sources: Packed[Source] = field(default_factory=Packed)
    problems: list[tuple[Path, ItemError]] = field(default_factory=list)
    no_pictures: int = 0
    earlier_outputs: Packed[Path] = field(default_factory=Packed)
    empty_folders: list[Path] = field(default_factory=list)
    others: array[int] = field(default_factory=lambda: array("q"))

    @property
    def count(self) -> int:
        """Everything that was found, done or not."""
        files = len(self.sources) + len(self.others)
        return files + len(self.problems) + len(self.earlier_outputs)


def find_sources(
    inputs: tuple[str, ...],
    selection: Selection,
    *,
    output_root: Path | None,
    source_of: Callable[[Path], str | None],
    is_own: Callable[[Source], bool] = lambda _: True,
) -> Found:
    """The files that the inputs, files and folders, stand for; those that are not own are `others`.

    Hidden files, what lies below `output_root`, and earlier outputs (those of which `source_of`
    knows the input) are left out; but a file that is named without that input is meant. Links are
    followed; one that leads back to itself is a problem. Raises UsageError when no input exists,
    when there is no picture at all, or nothing but earlier outputs.
    """
    missing = [name for name in inputs if is_missing(name)]
    if len(missing) == len(inputs):
        raise UsageError(f"{_missing(missing[0])}: '{shown(missing[0])}'")
    named = {str(absolute(Path(name))) for name in inputs if name}
    scan = _Scan(selection, output_root, source_of, is_own, named, Found(), _overlap(inputs))
    for name in inputs:
        scan.add(name)
    found = scan.found
    if not found.count:
        raise UsageError("no pictures or videos found", Path(inputs[0]), "see --include and --help")
    if len(found.earlier_outputs) == found.count:
        what = "holds nothing but earlier outputs"
        raise UsageError(what, Path(inputs[0]), "--include-outputs enlarges them once more")
    return found


def _overlap(inputs: tuple[str, ...]) -> bool:
    """Whether a file may be found twice: an input is given twice, or lies below another."""
    places = {Path(os.path.abspath(name)) for name in inputs}  # noqa: PTH100 - links stay links
    return len(places) < len(inputs) or any(
        above in places for place in places for above in place.parents
    )


def place_hash(place: Path) -> int:
    """64 bits that stand for an absolute path in this process."""
    return hash(os.fspath(place))


class Resolver:
    """`absolute` of many paths in few folders: each folder is resolved once, as it is then.

    To resolve a path, the system is asked about each folder above it.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def __call__(self, path: Path) -> Path:
        """As `absolute`."""
        folder, name = os.path.split(path)
        if name in {"", os.pardir}:
            return absolute(path)
        if folder not in self._folders:
            self._folders[folder] = os.fspath(absolute(Path(folder)))
        own = os.path.join(self._folders[folder], name)  # noqa: PTH118 - Path takes four times as long
        return absolute(path) if os.path.islink(own) else Path(own)  # noqa: PTH114


@dataclass
class _Scan:
    selection: Selection
    output_root: Path | None
    source_of: Callable[[Path], str | None]
    is_own: Callable[[Source], bool]
    named: set[str]
    found: Found
    may_repeat: bool
    _seen: set[str] = field(default_factory=set)
    _resolve: Resolver = field(default_factory=Resolver)

    def add(self, name: str) -> None:
        path = Path(name)  # "" would become "."
        if is_missing(name):
            self._problem(path, _missing(name))
        elif os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises in a locked folder
            before = self.found.count
            self._add_folder(path, path, ())
            if self.found.count == before:
                self.found.empty_folders.append(path)
        else:
            self._add_file(Source(path))

    def _add_file(self, source: Source) -> None:
        own = self._resolve(source.path)
        # By name, not by content: two links to one file are two pictures of their folder.
        if self.may_repeat:
            place = os.path.abspath(source.path)  # noqa: PTH100
            if place in self._seen:
                return
            self._seen.add(place)
        if self._is_earlier_output(source, own):
            self.found.earlier_outputs.append(source.path)
        elif not self.is_own(source):
            self.found.others.append(place_hash(own))
        else:
            self.found.sources.append(replace(source, resolved=own))

    def _is_earlier_output(self, source: Source, own: Path) -> bool:
        """Of files given by name, only one that came with its own input, as *.png names both."""
        origin = self.source_of(own)
        return origin is not None and (source.folder is not None or origin in self.named)

    def _add_folder(self, folder: Path, root: Path, above: tuple[tuple[int, int], ...]) -> None:
        if self.output_root is not None and folder != root and _same(folder, self.output_root):
            return
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            self._problem(folder, f"cannot be opened: {error.strerror}")
            return
        identity = (status.st_dev, status.st_ino)
        if identity in above:
            self._problem(folder, "a link that leads back to its own folder")
            return
        for entry in entries:
            self._add_entry(entry, root, (*above, identity))

    def _add_entry(
        self, entry: os.DirEntry[str], root: Path, above: tuple[tuple[int, int], ...]
    ) -> None:
        if entry.name.startswith("."):
            return
        path = Path(entry.path)
        if _is_folder(entry):
            if self.selection.recursive:
                self._add_folder(path, root, above)
        elif self._wanted(path, root):
            self._add_file(Source(path, root))

    def _wanted(self, path: Path, root: Path) -> bool:
        chosen = chosen_by_name(path.relative_to(root), self.selection)
        if chosen is None or (chosen and not self.selection.include and is_only_sound(path)):
            self.found.no_pictures += 1
            return False
        return chosen

    def _problem(self, path: Path, what: str) -> None:
        self.found.problems.append((path, ReadError(what, path)))


def chosen_by_name(relative: PurePath, selection: Selection) -> bool | None:
    """Whether a file of a folder, by its path below it, is to be done; None for no picture."""
    if _matches(relative, selection.exclude):
        return False
    if selection.include:
        return _matches(relative, selection.include)
    known = PICTURES | INPUT_SUFFIXES | VIDEOS | ARCHIVES | REFUSED | REFUSED_VIDEOS
    return True if relative.suffix.lower() in known else None


def _missing(name: str) -> str:
    is_url = "://" in name
    return "a URL; only local files are read, download it first" if is_url else _NOTHING


_NOTHING = "no such file or folder"


def is_missing(name: str) -> bool:
    """Whether nothing has this name; what cannot be looked at, in a locked folder, is there."""
    try:
        os.lstat(name)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link loop; as a file it will be named with its reason
        return False


def _matches(relative: PurePath, patterns: tuple[str, ...]) -> bool:
    texts = (relative.name, relative.as_posix())
    return any(fnmatch(text, pattern) for pattern in patterns for text in texts)


def _same(one: Path, other: Path) -> bool:
    return absolute(one) == absolute(other) or (other.exists() and one.samefile(other))


def absolute(path: Path) -> Path:
    """The absolute path with its links resolved; of a loop, with what could be resolved."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:  # Python before 3.13 raises RuntimeError for a loop
        if isinstance(error, OSError) and error.errno != errno.ELOOP:
            raise
        return path.parent.resolve() / path.name


def ancestors(path: Path) -> Iterator[Path]:
    """The folder of a path and those above it, nearest first."""
    yield from absolute(path).parents
