"""`esc compare` of folders: a page with a slider for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.errors import EscError, UsageError, shown
from esc_cli.evaluation.html import Facts, render_comparison
from esc_cli.evaluation.protocol import bicubic
from esc_cli.evaluation.results import Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_target
from esc_cli.media.paths import PICTURES
from esc_cli.media.rgb import read_shown
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.evaluate.methods import to_tensor
from esc_cli.tasks.evaluate.visuals import make_visual
from esc_cli.tasks.upscale.records import Records

BEFORE, AFTER = "before, by bicubic", "after"


@dataclass(frozen=True)
class FolderOptions:
    """What to show: a folder of results beside their sources, or two folders side by side.

    `limit` is the most pictures that the page shows, which holds them all.
    """

    folders: tuple[Path, ...]
    output: Path
    limit: int
    max_pixels: int
    command: str

    def check_before_work(self) -> None:
        """Raise UsageError or DiskError for what would fail after the pictures were read."""
        if len(self.folders) > 2:
            raise UsageError("one folder of results, or two to compare")
        if self.output.suffix.lower() != ".html":
            raise UsageError("must end in .html for folders", self.output)
        check_target(self.output)


@dataclass
class Shown:
    """What a page came to show: how many pictures, how many more there are, what failed and why."""

    pictures: int = 0
    left_out: int = 0
    problems: list[str] = field(default_factory=list)


def compare_folders(options: FolderOptions) -> Shown:
    """Write the page. A picture that cannot be shown is named in `problems`, and the rest is.

    Raises UsageError and DiskError before any picture is read, and UsageError for folders in which
    there is nothing to show.
    """
    options.check_before_work()
    pairs = _pairs(options.folders)
    told = Shown(left_out=max(0, len(pairs) - options.limit))
    visuals = []
    for name, before, after in pairs[: options.limit]:
        try:
            visuals.append(_visual(name, before, after, options))
        except EscError as error:
            told.problems.append(f"{shown(error.path or before)}: {error.reason}")
    if not visuals:
        raise UsageError("none of its pictures can be shown", options.folders[0])
    told.pictures = len(visuals)
    title = " and ".join(folder.name or str(folder) for folder in options.folders)
    facts = Facts(f"esc compare: {title}", options.command, environment_facts())
    write_atomic(options.output, render_comparison(visuals, facts).encode())
    return told


def _visual(name: str, before: Path, after: Path, options: FolderOptions) -> Visual:
    """Both as the larger one of them; the names of two folders, or before and after."""
    labels = (BEFORE, AFTER) if len(options.folders) == 1 else _labels(options.folders)
    return before_and_after(name, before, after, options.max_pixels, labels)


def before_and_after(
    name: str, before: Path, after: Path, max_pixels: int, labels: tuple[str, str] = (BEFORE, AFTER)
) -> Visual:
    """A source, enlarged by bicubic to the size of its result, and the result.

    Raises the errors of reading.
    """
    small = to_tensor(read_shown(before, max_pixels))
    large = to_tensor(read_shown(after, max_pixels))
    height, width = large.shape[-2:]
    if small.shape != large.shape:
        small = bicubic(small, (height, width))
    return make_visual("", 1, name, None, {labels[0]: small, labels[1]: large})


def _labels(folders: tuple[Path, ...]) -> tuple[str, str]:
    first, second = (folder.resolve().name or str(folder) for folder in folders)
    return (first, second) if first != second else (f"1: {first}", f"2: {second}")


def _pairs(folders: tuple[Path, ...]) -> list[tuple[str, Path, Path]]:
    """(name, before, after), by name."""
    found = sorted(_recorded(folders[0]) if len(folders) == 1 else _namesakes(*folders))
    if not found:
        what = "holds no results of esc upscale" if len(folders) == 1 else "share no pictures"
        raise UsageError(what, folders[0], "give a folder of results, or two of equal names")
    return found


def _recorded(folder: Path) -> Iterator[tuple[str, Path, Path]]:
    for output, record in Records(folder).by_output.items():
        result, source = folder / output, Path(record.input)
        if result.suffix.lower() in PICTURES and result.is_file():
            yield output, source, result


def _namesakes(one: Path, other: Path) -> Iterator[tuple[str, Path, Path]]:
    """Pictures of one name below both folders, whatever their suffixes."""
    there = {path.relative_to(other).with_suffix(""): path for path in _pictures(other)}
    for path in _pictures(one):
        name = path.relative_to(one).with_suffix("")
        if name in there:
            yield str(name), path, there[name]


def _pictures(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.suffix.lower() in PICTURES and path.is_file() and not path.name.startswith("."):
            yield path
