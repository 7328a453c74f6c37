"""Benchmark sets on disk: the layouts that people have, and pairs matched by name. Paths only."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from esc_cli.errors import UsageError, shown

SUFFIXES = frozenset({".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg", ".webp"})
HR_FOLDERS = ("HR", "GTmod12", "GT", "original")
LR_FOLDERS = ("LR_bicubic/X{scale}", "LRbicx{scale}", "LR/X{scale}", "LR/x{scale}")
_SPELLINGS = dict.fromkeys(("b100", "bsd100"), ("B100", "BSD100"))
"""One set under two names, and which to look for first."""
CANONICAL = ("Set5", "Set14", "B100", "BSD100", "Urban100", "Manga109")


@dataclass(frozen=True)
class Pair:
    """One picture of a set: `name` without suffix, its HR file, its LR file; either may lack."""

    name: str
    hr: Path | None
    lr: Path | None


@dataclass(frozen=True)
class Dataset:
    """A set at one scale, its pairs in the order of their names."""

    name: str
    scale: int
    pairs: tuple[Pair, ...]


def find_dataset(name_or_path: str, roots: tuple[Path, ...], scale: int) -> Dataset:
    """The set that a name or a folder means, at a scale.

    A path is taken as it is; a name is looked for in the roots, without regard to case.
    Recognised: `<Set>/HR` with `LR_bicubic/X4/<name>x4.png`, `<Set>/GTmod12` with `LRbicx4`,
    `<Set>_HR`, `<Set>/image_SRF_4/*_HR.png` with `*_LR.png`, and a folder of HR pictures.
    Raises UsageError when there is none that can be opened, or when HR and LR do not match, naming
    the files.
    """
    folder = _locate(name_or_path, roots)
    name = re.sub(r"_HR$", "", folder.resolve().name, flags=re.IGNORECASE)
    canonical = next((known for known in CANONICAL if known.lower() == name.lower()), name)
    try:
        pairs = _pairs(folder, scale)
    except OSError as error:
        raise UsageError(f"cannot be opened: {error.strerror}", folder) from error
    if not pairs:
        raise UsageError("no pictures found", folder)
    return Dataset(canonical, scale, pairs)


def _locate(name_or_path: str, roots: tuple[Path, ...]) -> Path:
    names = _SPELLINGS.get(name_or_path.lower(), (name_or_path,))
    for root in roots:
        for wanted in (*names, *(f"{name}_HR" for name in names)):
            found = _child(root, wanted)
            if found is not None:
                return found
    if os.path.isdir(name_or_path):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        return Path(name_or_path)
    looked = ", ".join(str(root) for root in roots) or "nowhere"
    advice = "give --data-root, set ESC_DATA, or see `esc data list`"
    raise UsageError(f"no dataset {name_or_path!r} (looked in {looked})", advice=advice)


def _child(root: Path, name: str) -> Path | None:
    if os.sep in name or name in {"", ".", ".."}:
        return None
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError:  # not there, or not ours to read: another root may have it
        return None
    return next((path for path in folders if path.name.lower() == name.lower()), None)


def _pairs(folder: Path, scale: int) -> tuple[Pair, ...]:
    mixed = folder / f"image_SRF_{scale}"
    if mixed.is_dir():
        return _match(_ending(mixed, "_HR"), _ending(mixed, "_LR"), mixed)
    hr_folder = next((folder / n for n in HR_FOLDERS if (folder / n).is_dir()), None)
    if hr_folder is None:
        lr_only = _lr_folder(folder, scale)
        if lr_only is not None:
            pictures = _pictures(lr_only, scale).items()
            return tuple(Pair(name, None, path) for name, path in pictures)
        return tuple(Pair(name, path, None) for name, path in _pictures(folder).items())
    lr_folder = _lr_folder(folder, scale)
    hr = _pictures(hr_folder)
    if lr_folder is None:
        return tuple(Pair(name, path, None) for name, path in hr.items())
    return _match(hr, _pictures(lr_folder, scale), lr_folder)


def _lr_folder(folder: Path, scale: int) -> Path | None:
    candidates = (folder / pattern.format(scale=scale) for pattern in LR_FOLDERS)
    return next((path for path in candidates if path.is_dir()), None)


def _pictures(folder: Path, scale: int | None = None) -> dict[str, Path]:
    """Pictures by name; with a scale, without the `x4` that LR names end in."""
    found: dict[str, Path] = {}
    for path in _files(folder):
        name = path.stem if scale is None else re.sub(rf"x{scale}$", "", path.stem)
        if name in found:
            raise UsageError(f"{found[name].name} and {path.name} have one name", folder)
        found[name] = path
    return found


def _ending(folder: Path, ending: str) -> dict[str, Path]:
    files = (path for path in _files(folder) if path.stem.endswith(ending))
    return {path.stem.removesuffix(ending): path for path in files}


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file():
            yield path


def _match(hr: dict[str, Path], lr: dict[str, Path], folder: Path) -> tuple[Pair, ...]:
    """Pairs by name. Raises UsageError naming what has no partner."""
    alone = sorted(hr.keys() ^ lr.keys())
    if alone:
        sides = ((name, "LR" if name in hr else "HR") for name in alone[:4])
        listed = ", ".join(f"{name} has no {side}" for name, side in sides)
        more = f" and {len(alone) - 4} more" if len(alone) > 4 else ""
        raise UsageError(f"HR and LR do not match: {listed}{more}", folder)
    return tuple(Pair(name, path, lr[name]) for name, path in sorted(hr.items()))


def match_results(sr_folder: Path, dataset: Dataset, pattern: str | None = None) -> dict[str, Path]:
    """Finished results by the name of their picture in a set.

    A result has the picture's name, else `<name>x4`, `<name>_x4`, `<name>_4x`, `<name>_SR`,
    `<name>_HR` or `<name>_out`, or `<name>x4` and one of the last three. `pattern` is another, such
    as "{name}_x{scale}_*", with * and ? as in a shell. Raises UsageError for a pattern without
    {name}, and naming the pictures that have no result, with what is there, or several.
    """
    if pattern is not None and "{name}" not in pattern:
        raise UsageError(f"--sr-pattern {pattern!r} has no {{name}}", advice="'{name}_x{scale}_*'")
    if not os.path.isdir(sr_folder):  # noqa: PTH112 - Path.is_dir raises in a locked folder
        raise UsageError("is no folder of results", sr_folder)
    files = list(_files(sr_folder))
    found = {
        pair.name: _result_of(pair.name, files, dataset.scale, pattern) for pair in dataset.pairs
    }
    missing = [name for name, candidates in found.items() if not candidates]
    if missing:
        what = f"{len(missing)} of {len(found)} have no result: {', '.join(missing[:4])}"
        raise UsageError(f"{what}; {_left(files, found)}", sr_folder, _advice(list(found), files))
    for name, candidates in found.items():
        if len(candidates) > 1:
            listed = ", ".join(path.name for path in candidates)
            raise UsageError(f"several results for {name}: {listed}", sr_folder)
    return {name: candidates[0] for name, candidates in found.items()}


def _left(files: list[Path], found: dict[str, list[Path]]) -> str:
    """What is there beside the results, the first of it by name."""
    if not files:
        return "no picture is there"
    taken = {path for candidates in found.values() for path in candidates}
    left = [shown(path.name) for path in files if path not in taken]
    more = f" and {len(left) - 4:,} more" if len(left) > 4 else ""
    return f"not matched: {', '.join(left[:4])}{more}" if left else "no other picture is there"


def _advice(names: list[str], files: list[Path]) -> str:
    """The pattern by which each picture has a result, if it is one."""
    around = (
        {tuple(path.stem.split(name, 1)) for path in files if name in path.stem} for name in names
    )
    common = set.intersection(*around)
    if len(common) != 1:
        return "name them by --sr-pattern" if files else "give the folder that holds them"
    before, behind = map(glob.escape, common.pop())
    return f"name them by --sr-pattern '{before}{{name}}{behind}'"


def _result_of(name: str, files: list[Path], scale: int, pattern: str | None) -> list[Path]:
    """The files that can be the result of a picture: those of its very name, else with an end."""
    if pattern is not None:
        own = pattern.replace("{scale}", str(scale)).replace("{name}", glob.escape(name))
        return [path for path in files if fnmatchcase(path.stem, own) or path.match(own)]
    exact = [path for path in files if path.stem == name]
    factor = rf"_?x{scale}|_{scale}x"
    ending = re.compile(rf"{re.escape(name)}(({factor})?_(SR|HR|out)|{factor})", re.IGNORECASE)
    return exact or [path for path in files if ending.fullmatch(path.stem)]
