"""`esc verify`: results against their records, whole and unchanged, and against their sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from esc_cli.errors import UsageError
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.paths import PICTURES
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.records import OutputRecord, Records

State = Literal["intact", "missing", "changed", "source changed", "source gone", "no record"]
PROBLEMS: dict[State, str] = {
    "missing": "is not there",
    "changed": "is not the file that was written",
    "source changed": "was made from another content of its source",
    "no record": "has no record",
}
"""What is wrong, in words; a source that is gone is told and is no problem."""


@dataclass(frozen=True)
class Verified:
    """A result: its path, what it is, the source that it was made from, settings and weights."""

    path: Path
    state: State
    source: str = ""
    settings: str = ""
    weights_sha256: str | None = None


def verify(folder: Path, stop: Stop) -> Iterator[Verified]:
    """Each result that the folder has a record of, by its content, then files without a record.

    Times are changed by copying, and prove nothing.

    Raises UsageError for a folder without records, DiskError when they cannot be read, and
    StoppedError.
    """
    if not folder.is_dir():
        raise UsageError("no such folder", folder)
    records = Records(folder)
    if not records.by_output:
        raise UsageError("holds no records of esc upscale", folder, "give a folder of results")
    for output, record in sorted(records.by_output.items()):
        stop.check()
        path = folder / output
        settings = record.settings
        yield Verified(path, _state(path, record), record.input, settings, record.weights_sha256)
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        suffix = path.suffix.lower()
        if hidden or suffix not in PICTURES | VIDEOS | INPUT_SUFFIXES or not path.is_file():
            continue
        if records.relative(path) not in records.by_output:
            yield Verified(path, "no record")


def _state(path: Path, record: OutputRecord) -> State:
    if not path.is_file():
        return "missing"
    if not record.result.fits(path, by_content=True):
        return "changed"
    source = Path(record.input)
    if not source.is_file():
        return "source gone"
    return "intact" if record.source.fits(source, by_content=True) else "source changed"
