"""Where results go and what they are called. Names are decided before any work starts."""

from __future__ import annotations

import hashlib
import os
import string
import unicodedata
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from esc_cli.errors import UsageError, shown
from esc_cli.files.hash_set import Hashes, repeated
from esc_cli.media.paths import ARCHIVES, PICTURES, Source
from esc_cli.media.video_suffixes import VIDEOS

PLACEHOLDERS = ("stem", "scale", "label", "width", "height")


@dataclass(frozen=True)
class Destination:
    """Where a batch writes: `root` keeps the records; `file` is set for one named output."""

    root: Path
    file: Path | None = None


def destination(inputs: tuple[str, ...], output: str | None) -> Destination | None:
    """The output folder or file of a batch; None when every result goes beside its input.

    Without -o a folder `photos` gives `photos_x4` beside it, see `folder_for`.
    Raises UsageError when -o is a file and more than one picture is to be written.
    """
    if output is None:
        return None
    if not output:
        raise UsageError("-o is empty")
    path = Path(output)
    wants_folder = output.endswith(("/", os.sep)) or os.path.isdir(path)  # noqa: PTH112
    if wants_folder or path.suffix.lower() not in PICTURES | VIDEOS | ARCHIVES:
        if os.path.isfile(path):  # noqa: PTH113
            raise UsageError("is a file, and a folder is needed", path, "choose another -o")
        return Destination(path)
    if len(inputs) != 1 or os.path.isdir(inputs[0]):  # noqa: PTH112
        what = f"is one file, and {_listed(inputs)} would be it"
        raise UsageError(what, path, "give a folder to -o")
    return Destination(path.parent, path)


def _listed(inputs: tuple[str, ...]) -> str:
    """Inputs that would become one file: two of them by name, or the folder."""
    if len(inputs) == 1:
        return f"all that {shown(inputs[0])} holds"
    more = f" and {len(inputs) - 2} more" if len(inputs) > 2 else ""
    first, second = map(shown, inputs[:2])
    return f"{first}, {second}{more}" if more else f"both {first} and {second}"


def folder_for(source: Source, chosen: Destination | None, label: str, several: bool) -> Path:
    """The root of the output tree that a source belongs to.

    `several`: more than one input was given, so below -o each folder keeps its own name.
    """
    if source.folder is None:
        return source.path.parent if chosen is None else chosen.root
    folder = Path(os.path.abspath(source.folder))  # noqa: PTH100 - beside a link, not its target
    if chosen is None:
        if not folder.name:
            raise UsageError("has no name to make another from", folder, "give a folder to -o")
        return folder.with_name(f"{folder.name}_{label}")
    return chosen.root / folder.name if several else chosen.root


def default_pattern(source: Source, chosen: Destination | None) -> str:
    """The name changes only where the result lies beside its input."""
    return "{stem}_{label}" if source.folder is None and chosen is None else "{stem}"


def check_pattern(pattern: str) -> None:
    """Raise UsageError unless a pattern makes a plain file name of known placeholders."""
    known = " ".join(f"{{{name}}}" for name in PLACEHOLDERS)
    try:
        fields = [field for field in string.Formatter().parse(pattern) if field[1] is not None]
    except ValueError as error:
        what = f"--name {pattern!r}: its braces do not match"
        raise UsageError(what, advice=f"use {known}") from error
    for _, name, spec, conversion in fields:
        if name not in PLACEHOLDERS or spec or conversion:
            raise UsageError(f"--name {pattern!r}: no placeholder {name!r}", advice=f"use {known}")
    if "/" in pattern or os.sep in pattern or not pattern.strip():
        raise UsageError(f"--name {pattern!r} is no plain file name")


def placeholders_of(pattern: str) -> frozenset[str]:
    """Those that a pattern has in it."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(pattern) if name)


def result_name(pattern: str, values: Mapping[str, str]) -> str:
    """The file name without its suffix."""
    return pattern.format_map(values)


def name_for(
    source: Source, chosen: Destination | None, pattern: str | None, values: Mapping[str, str]
) -> str:
    """The same for a source. `pattern`: None for the default; `values`: those besides `stem`."""
    pattern = pattern or default_pattern(source, chosen)
    return result_name(pattern, {**values, "stem": source.path.stem})


class Names:
    """The outputs that a batch wants, in order; of each 8 bytes are held: there may be millions."""

    def __init__(self) -> None:
        self._digests = array("q")

    def add(self, path: Path) -> None:
        """One more."""
        self._digests.append(_digest(path))

    def resolved(self, wanted: Iterable[tuple[Source, Path]]) -> Iterator[Path] | None:
        """The outputs, each different from all others, also where case does not count.

        None where they are so already. `wanted`: all that were added, and their sources. Sources
        whose results would share a name keep their own suffix in it (a.jpg and a.png become
        a.jpg.png and a.png.png); what still collides is numbered in the order of the batch.
        """
        digests = np.array(self._digests, np.int64)
        shared = repeated(digests)
        if not shared.size:
            return None
        alone = digests[~np.isin(digests, shared)]
        return _distinct_ones(wanted, Hashes(shared), Hashes(alone))


def _distinct_ones(
    wanted: Iterable[tuple[Source, Path]], shared: Hashes, alone: Hashes
) -> Iterator[Path]:
    taken: set[int] = set()

    def is_taken(path: Path) -> bool:
        digest = _digest(path)
        return digest in taken or digest in alone

    for source, path in wanted:
        if _digest(path) not in shared:
            yield path
            continue
        chosen = _distinct(path, source.path.suffix, is_taken)
        taken.add(_digest(chosen))
        yield chosen


def _distinct(path: Path, suffix: str, is_taken: Callable[[Path], bool]) -> Path:
    stem = f"{path.stem}{suffix}"
    candidate, number = path.with_name(f"{stem}{path.suffix}"), 2
    while is_taken(candidate):
        candidate = path.with_name(f"{stem}~{number}{path.suffix}")
        number += 1
    return candidate


def folded(text: str) -> str:
    """The same for names that some file system takes for the same: without case and composition."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _digest(path: Path) -> int:
    """64 bits of what two names share that some file systems take for the same: case, composition.

    Of ten million names two have one digest by chance in 3 of a million batches; they would be
    longer than they need be.
    """
    text = folded(os.path.abspath(path))  # noqa: PTH100
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
