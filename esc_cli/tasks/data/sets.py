"""Benchmark sets: fetched, unpacked safely, compared with the record of what was fetched."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import platformdirs

from esc_cli.errors import SetupError, UsageError
from esc_cli.evaluation.dataset_catalog import (
    ELSEWHERE,
    FETCHABLE,
    MIRROR,
    Elsewhere,
    Fetchable,
    address,
    find_fetchable,
)
from esc_cli.evaluation.datasets import SUFFIXES
from esc_cli.files.atomic import file_failures
from esc_cli.files.download import Digest, download, exclusive
from esc_cli.files.http import Link
from esc_cli.tasks.data.unpack import Limits, unpack

RECORD = ".esc-dataset.json"
HR = "HR"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Pulling:
    """A set is about to be fetched, after any other process that fetches it."""

    name: str
    url: str


@dataclass(frozen=True)
class Pulled:
    """A set is in `folder`; `fetched` is False when it was there already."""

    name: str
    folder: Path
    pictures: int
    fetched: bool
    cite: str


@dataclass(frozen=True)
class PullFailed:
    """A set could not be fetched; the others go on."""

    name: str
    error: SetupError


PullEvent = Pulling | Pulled | PullFailed


@dataclass(frozen=True)
class Source:
    """Where sets come from: `base` is another address ("" the usual), `limits` of an archive."""

    base: str = ""
    link: Link = field(default_factory=Link)
    limits: Limits = field(default_factory=Limits)
    progress: Callable[[int, int | None], None] = lambda _done, _total: None


def usual_source(
    progress: Callable[[int, int | None], None], told: Callable[[str], None], *, offline: bool
) -> Source:
    """The publisher, or the mirror of the environment.

    `progress` gets the bytes that are here and their total, `told` what a user should know.
    """
    return Source(os.environ.get(MIRROR, ""), Link(offline=offline, told=told), progress=progress)


def data_cache() -> Path:
    """The folder that `esc data pull` fills unless another is given."""
    return platformdirs.user_cache_path("esc") / "datasets"


def known_roots() -> tuple[Path, ...]:
    """Where datasets are looked for when no folder is given: $ESC_DATA, the cache."""
    shared = os.environ.get("ESC_DATA")
    return (*([Path(shared)] if shared else []), data_cache())


def searched_roots(chosen: Path | None) -> tuple[Path, ...]:
    """Where datasets are looked for: in the chosen folder first, then in those that are known."""
    return known_roots() if chosen is None else (chosen, *known_roots())


@dataclass(frozen=True)
class Record:
    """What was fetched: the archive's address and sha256, and the sha256 of every picture."""

    name: str
    source: str
    archive_sha256: str
    pictures: dict[str, str]


@dataclass(frozen=True)
class Verified:
    """How a set differs from its record: names of pictures."""

    name: str
    folder: Path
    pictures: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    extra: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.changed or self.extra)


@dataclass(frozen=True)
class Listed:
    """A set of the catalogue. `folder` is None when it is not here.

    `pictures` and `size_bytes` are counted where it is, else those of the archive; None and 0
    when they are not known. `pulled`: it has a record.
    """

    name: str
    pictures: int | None
    folder: Path | None
    pulled: bool
    size_bytes: int
    source: str
    note: str


def pull(names: tuple[str, ...], root: Path, source: Source = Source()) -> Iterator[PullEvent]:
    """Fetch sets into `<root>/<Set>/HR`, each one whole or not at all.

    No names are all sets. A set that is intact is kept; missing and changed pictures are put back.
    Raises UsageError for names and addresses, before any work; a set that fails is an event.
    """
    records = tuple(dict.fromkeys(find_fetchable(name) for name in names)) or FETCHABLE
    addresses = [address(record, source.base) for record in records]
    for record, url in zip(records, addresses, strict=True):
        yield Pulling(record.name, url)
        folder = root / record.name
        event: PullEvent
        try:
            with file_failures(folder), exclusive(folder, source.link.told):
                event = _pulled(record, url, folder, source)
        except SetupError as error:
            event = PullFailed(record.name, error)
        yield event


def verify(names: tuple[str, ...], roots: tuple[Path, ...]) -> Iterator[Verified]:
    """Compare sets with their records; without names, all that were pulled.

    Raises UsageError for a set that was not pulled, SetupError for a damaged record.
    """
    wanted = [find_fetchable(name).name for name in names] or [r.name for r in FETCHABLE]
    places = {name: _folder_of(name, roots, RECORD) for name in dict.fromkeys(wanted)}
    if not any(places.values()) or (names and not all(places.values())):
        missing = ", ".join(name for name, folder in places.items() if folder is None)
        looked = ", ".join(str(root) for root in roots)
        raise UsageError(f"not pulled: {missing} (looked in {looked})", advice="see esc data pull")
    for folder in filter(None, places.values()):
        record = _read_record(folder)
        if record is not None:
            yield _compare(record, folder)


def listing(roots: tuple[Path, ...]) -> tuple[Listed, ...]:
    """The sets of the catalogue, and which of them lie in the roots."""
    return tuple(_listed(record, roots) for record in (*FETCHABLE, *ELSEWHERE))


def _listed(known: Fetchable | Elsewhere, roots: tuple[Path, ...]) -> Listed:
    if isinstance(known, Fetchable):
        source, note, size_bytes = address(known), known.licence, round(known.archive_mb * 1e6)
    else:
        source, note, size_bytes = known.address, known.note, 0
    folder, pictures = _folder_of(known.name, roots), known.pictures
    if folder is not None:
        with _read_failures(folder):
            files = _pictures(folder / HR if (folder / HR).is_dir() else folder)
            pictures, size_bytes = len(files), sum(path.stat().st_size for path in files)
    pulled = folder is not None and (folder / RECORD).is_file()
    return Listed(known.name, pictures, folder, pulled, size_bytes, source, note)


def _folder_of(name: str, roots: tuple[Path, ...], holding: str = "") -> Path | None:
    """The first folder of that name, without regard to case, that has something in it."""
    for root in roots:
        with _read_failures(root):
            for folder in sorted(root.iterdir()) if root.is_dir() else ():
                if folder.name.lower() == name.lower() and (folder / holding).exists():
                    return folder
    return None


@contextlib.contextmanager
def _read_failures(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SetupError(f"cannot be read: {error.strerror or error}", path) from error


def _pictures(folder: Path) -> list[Path]:
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    return [p for p in paths if p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]


def _compare(record: Record, folder: Path) -> Verified:
    with _read_failures(folder):
        here = {path.name: path for path in _pictures(folder / HR)}
        known = record.pictures
        changed = [n for n in sorted(here.keys() & known) if _sha256(here[n]) != known[n]]
    missing, extra = sorted(known.keys() - here), sorted(here.keys() - known)
    return Verified(record.name, folder, len(known), tuple(missing), tuple(changed), tuple(extra))


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _read_record(folder: Path) -> Record | None:
    """The record of a set; None when esc did not pull it. Raises SetupError if it is damaged."""
    path = folder / RECORD
    if not path.is_file():
        return None
    with _read_failures(path):
        content = path.read_bytes()
    try:
        record = Record(**json.loads(content))
        texts = [record.name, record.source, record.archive_sha256, *record.pictures.values()]
        if all(isinstance(text, str) for text in texts):
            return record
    except (ValueError, TypeError, AttributeError):
        pass
    raise SetupError("is damaged", path, "remove the folder and pull the set again")


def _pulled(known: Fetchable, url: str, folder: Path, source: Source) -> Pulled:
    """Fetch one set, or see that it is intact. The lock of its folder is held."""
    earlier = _read_record(folder)
    if earlier is None and folder.exists() and any(folder.iterdir()):
        advice = "it was not pulled by esc: use it as it is, or give another --data-root"
        raise SetupError("is there already", folder, advice)
    if earlier is not None:
        found = _compare(earlier, folder)
        if not found.missing and not found.changed:
            return Pulled(known.name, folder, found.pictures, False, known.cite)
    staging = folder.with_name(f".{folder.name}.esc-pull")
    try:
        _fetch(known, url, staging, _digest(known, earlier), source)
        _publish(staging / "set", folder)
    finally:
        if not any(staging.glob(".*.part")):  # the part of a break stays, to be resumed
            shutil.rmtree(staging, ignore_errors=True)
    return Pulled(known.name, folder, known.pictures, True, known.cite)


def _digest(known: Fetchable, earlier: Record | None) -> Digest | None:
    """The archive that was fetched before, else the published one."""
    if earlier is not None:
        return Digest("sha256", earlier.archive_sha256)
    return Digest("md5", known.md5) if known.md5 else None


def _fetch(
    known: Fetchable, url: str, staging: Path, digest: Digest | None, source: Source
) -> None:
    """Make `set` in the staging folder: the pictures and their record."""
    archive, made = staging / f"{known.name}_HR.tar.gz", staging / "set"
    sha256 = download(url, archive, digest=digest, progress=source.progress, link=source.link)
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    pictures = unpack(archive, made / HR, source.limits)
    if len(pictures) != known.pictures:
        what = f"{url} holds {len(pictures)} pictures, not {known.pictures}"
        raise SetupError(what, staging.parent / known.name, "nothing was kept; report it")
    record = Record(known.name, url, sha256, pictures)
    with (made / RECORD).open("w", encoding="utf-8") as stream:
        json.dump(asdict(record), stream, indent=1, sort_keys=True)
        stream.flush()
        os.fsync(stream.fileno())


def _publish(made: Path, folder: Path) -> None:
    """Give a complete set its name; into a folder that esc made before, picture by picture."""
    if not (folder / RECORD).is_file():
        if folder.exists():
            folder.rmdir()  # it was empty
        made.rename(folder)
        return
    (made / RECORD).replace(folder / RECORD)
    (folder / HR).mkdir(exist_ok=True)
    for picture in _pictures(made / HR):
        picture.replace(folder / HR / picture.name)
