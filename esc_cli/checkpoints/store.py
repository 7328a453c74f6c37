"""Where checkpoints live, and which file a name or a path means. No torch."""

from __future__ import annotations

import hashlib
import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import platformdirs

from esc_cli.checkpoints.catalog import (
    SUFFIXES,
    Record,
    is_file,
    read_own_records,
    read_records,
)
from esc_cli.checkpoints.digests import recorded_sha256
from esc_cli.checkpoints.releases import RELEASES, Release
from esc_cli.errors import UsageError, WeightsError
from esc_cli.model.config import VARIANTS

WEIGHTS = "ESC_WEIGHTS"
"""Environment variable: a folder of weights that is looked into first."""

DEFAULT_SCALE = 4
Basis = Literal["record", "published", "recorded", ""]
"""Where an expected sha256 comes from: the record that came with the file, its publisher, or the
first time that it was fetched or used; "" for nowhere."""


@dataclass(frozen=True)
class Checkpoint:
    """A file, with the record it came with or the release it is, if any.

    The file of a release need not be here yet: see `checkpoints.pull.obtain`.
    """

    path: Path
    record: Record | None = None
    release: Release | None = None

    @property
    def name(self) -> str:
        """The name that means this one file: the record's, the release's, or the file's."""
        known = self.record or self.release
        return known.name if known else self.path.name

    @property
    def model(self) -> str:
        """The name that means it at every scale there is."""
        if self.record is not None:
            return self.record.model or self.record.variant
        return self.release.model if self.release else self.path.stem

    @property
    def names(self) -> frozenset[str]:
        """Everything that `--model` may call it."""
        if self.record is not None:
            return self.record.names
        return self.release.names if self.release else frozenset()

    @property
    def scale(self) -> int | None:
        """Its scale as far as it is known without the file."""
        known = self.record or self.release
        return known.scale if known else None

    @property
    def here(self) -> bool:
        """Whether the file exists."""
        return is_file(self.path)

    def expected_sha256(self) -> tuple[str, Basis]:
        """What the file must hash to and who says so; ("", "") when nobody does."""
        if self.record is not None:
            return self.record.sha256, "record"
        if self.release is None:
            return "", ""
        if self.release.sha256:
            return self.release.sha256, "published"
        recorded = recorded_sha256(self.path)
        return recorded, "recorded" if recorded else ""

    def read_verified(self) -> bytes:
        """The file's bytes, after their sha256 was compared with the expected one, if any.

        Raises WeightsError when the file cannot be read or is not the expected one.
        """
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot be read: {error.strerror}", self.path) from error
        expected, _ = self.expected_sha256()
        if expected and hashlib.sha256(content).hexdigest() != expected:
            what = f"damaged: its sha256 is not {expected[:12]}..."
            raise WeightsError(what, self.path, self._cure())
        return content

    def sha256(self) -> str:
        """The hexadecimal digest of the (verified) file."""
        return hashlib.sha256(self.read_verified()).hexdigest()

    def _cure(self) -> str:
        if self.release is not None:
            return f"remove it and run: esc weights pull {self.name}"
        return (
            "reinstall esc" if self.path.parent == bundled_folder() else "put the right one there"
        )


def bundled_folder() -> Path:
    """The folder of the weights that came with the package (or lie in its source tree)."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "_weights"
    return installed if installed.is_dir() else package.parent / "weights"


def cache_folder() -> Path:
    """The folder that pulled checkpoints go to."""
    return platformdirs.user_cache_path("esc") / "weights"


def user_folders() -> tuple[Path, ...]:
    """Where weights are looked for: $ESC_WEIGHTS, the cache.

    Raises WeightsError when the variable names no folder.
    """
    named = os.environ.get(WEIGHTS)
    if not named:
        return (cache_folder(),)
    if not os.path.isdir(named):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        raise WeightsError("is no folder", named, f"correct {WEIGHTS}, or leave it out")
    return tuple(dict.fromkeys((Path(named), cache_folder())))


@lru_cache(maxsize=1)
def bundled() -> tuple[Checkpoint, ...]:
    """The checkpoints that came with the package."""
    folder = bundled_folder()
    return tuple(Checkpoint(folder / record.file, record) for record in read_records(folder))


def known() -> Iterator[Checkpoint]:
    """Every checkpoint that has a name: $ESC_WEIGHTS, the cache, bundled, then those not here.

    Where two have the same name and scale, the first one counts. A user's file whose record is
    damaged is left out: see `damaged_records`.
    """
    folders = user_folders()
    for folder in folders:
        for record in read_own_records(folder)[0]:
            yield Checkpoint(folder / record.file, record)
        for release in RELEASES:
            if is_file(folder / release.file):
                yield Checkpoint(folder / release.file, release=release)
    yield from bundled()
    for release in RELEASES:
        if not any(is_file(folder / release.file) for folder in folders):
            yield Checkpoint(cache_folder() / release.file, release=release)


def _default() -> list[Checkpoint]:
    """What is taken where no name is given: the bundled networks, but for those of photographs."""
    return [one for one in bundled() if one.record is not None and one.record.purpose != "photo"]


def damaged_records() -> list[WeightsError]:
    """The errors of the records in the user's folders that cannot be read."""
    return [error for folder in user_folders() for error in read_own_records(folder)[1]]


def looks_like_path(name: str) -> bool:
    """Whether a model's name means a file: it has a checkpoint's suffix or a folder in it."""
    return name.lower().endswith(SUFFIXES) or os.sep in name or "/" in name


def find(name_or_path: str | None, scale: float | None = None) -> Checkpoint:
    """The checkpoint that a name or a path means; that of a release need not be here yet.

    None is the bundled default. A name takes the smallest scale that reaches `scale` (default 4,
    or the largest it has); a path is taken as it is, whatever the scale. Raises UsageError for a
    name that nobody has, WeightsError when there is no file or no such scale.
    """
    if name_or_path is not None and looks_like_path(name_or_path):
        return _file(Path(name_or_path))
    scales = find_all(name_or_path)
    wanted = min(DEFAULT_SCALE, max(map(_reach, scales))) if scale is None else scale
    reaching = [own for own in sorted(scales, key=_reach) if _reach(own) >= wanted - 1e-9]
    if not reaching:
        raise missing_scale(name_or_path, wanted)
    refuse_folder(scales[reaching[0]])
    return scales[reaching[0]]


def folder_in_place(checkpoint: Checkpoint) -> Path | None:
    """A folder that has the name of a release's file where the file would be looked for."""
    if checkpoint.release is None or checkpoint.here:
        return None
    places = (folder / checkpoint.path.name for folder in user_folders())
    return next((place for place in places if os.path.isdir(place)), None)  # noqa: PTH112


def refuse_folder(checkpoint: Checkpoint) -> None:
    """Raise WeightsError when a folder lies in the place of the file."""
    place = folder_in_place(checkpoint)
    if place is not None:
        raise WeightsError(IS_FOLDER, place, "move it away; esc weights pull fetches the file")


IS_FOLDER = "is a folder, and a checkpoint is expected there"


def _reach(scale: int | None) -> float:
    """The largest factor that a network of this scale serves alone: any, for 0 and None."""
    return scale or math.inf


def find_all(name: str | None) -> dict[int | None, Checkpoint]:
    """What a name means, by scale; the scale of a file without record is None.

    Raises UsageError and WeightsError when the name means nothing, WeightsError when it is that of
    a damaged record.
    """
    if name is not None:
        _refuse_damaged(name)
    named: dict[int | None, Checkpoint] = {}
    for checkpoint in _default() if name is None else known():
        if name is None or name in checkpoint.names:
            named.setdefault(checkpoint.scale, checkpoint)
    if named:
        return named
    own = None if name is None else _by_stem(name)
    if own is not None:
        return {None: own}
    if name is None or name in VARIANTS:
        what = f"no checkpoint of {name} is installed or published"
        raise WeightsError(what, advice=f"give the path of one; {_choices()}")
    raise _unknown(name)


def _refuse_damaged(name: str) -> None:
    """Nothing else is taken for a file whose record cannot be read."""
    for error in damaged_records():
        if error.path is not None and error.path.stem == name:
            raise error


def _unknown(name: str) -> UsageError:
    """The error for what is no name; it may be a file all the same."""
    if os.path.isdir(name):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        return UsageError("is a folder", name, _FOLDER_ADVICE)
    for folder in user_folders():
        for place in (folder / f"{name}{suffix}" for suffix in SUFFIXES):
            if os.path.isdir(place):  # noqa: PTH112
                return UsageError(IS_FOLDER, place, "move it away, or give another name")
    if os.path.lexists(name):
        what = f"is no checkpoint: those end in {', '.join(SUFFIXES)}"
        return UsageError(what, name, "give another file, or a name: see esc weights list")
    return UsageError(f"no model named {name!r}", advice=_choices())


_FOLDER_ADVICE = (
    "give a .safetensors or .pth file; of a training run, esc weights export makes such a file"
)


def missing_scale(name: str | None, scale: float) -> WeightsError:
    """The error for a scale that a name does not have; it names those that exist."""
    there = ", ".join(f"x{factor}" for factor in sorted(filter(None, find_all(name))))
    what = f"there is no x{scale:g} of {name or 'the default network'}"
    return WeightsError(what, advice=f"it exists as {there}; see esc weights list")


def _by_stem(name: str) -> Checkpoint | None:
    """A file without record in the user's folders, by its name without suffix."""
    for folder in user_folders():
        for suffix in SUFFIXES:
            path = folder / f"{name}{suffix}"
            if is_file(path):
                return Checkpoint(path)
    return None


def _file(path: Path) -> Checkpoint:
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise WeightsError(f"cannot be opened: {error.strerror}", path) from error
    if not stat.S_ISREG(mode):
        what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        raise WeightsError(what, path, _FOLDER_ADVICE)
    return Checkpoint(path)


def _choices() -> str:
    names = ", ".join(sorted({checkpoint.model for checkpoint in known()}))
    damaged = "".join(f"; {error.path} is damaged" for error in damaged_records())
    return f"known: {names}; or a .safetensors or .pth file{damaged}"
