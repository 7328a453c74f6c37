"""`esc verify`: results against records, sources and settings, and what they say of themselves."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from esc_cli.errors import EscError, UsageError, shown
from esc_cli.media.confined import Bounds
from esc_cli.media.formats import INPUT_SUFFIXES
from esc_cli.media.paths import PICTURES
from esc_cli.media.provenance import provenance_in
from esc_cli.media.video_suffixes import VIDEOS
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import OutputRecord, Records
from esc_cli.tasks.upscale.settings_key import apart, in_words
from esc_cli.tasks.verify_settings import ANY, Wanted, as_asked, as_most

State = Literal[
    "intact",
    "missing",
    "changed",
    "source changed",
    "other settings",
    "other network",
    "source gone",
    "no record",
]
PROBLEMS: dict[State, str] = {
    "missing": "is not there",
    "changed": "is not the file that was written",
    "source changed": "was made from another content of its source",
    "other settings": "was made with other settings",
    "other network": "was made by another network, or other weights",
    "no record": "has no record",
}
"""What is wrong, in words; a source that is gone is told and is no problem."""
_FOR_READING = Bounds(sys.maxsize)


@dataclass(frozen=True)
class Against:
    """What settings are compared with: those of `options`, if any, else those of most results.

    of_model: the networks of `options`, too. any_settings: with nothing.
    """

    options: UpscaleOptions | None = None
    of_model: bool = False
    any_settings: bool = False

    def wanted(self, records: Records) -> Wanted:
        """For the results of a folder. Raises as `as_asked`."""
        if self.any_settings:
            return ANY
        if self.options is not None:
            return as_asked(self.options, of_model=self.of_model)
        return as_most(records.by_output.values())


@dataclass(frozen=True)
class Verified:
    """A result: its path, what it is, the source that it was made from, settings and weights.

    wanted_settings: those that it ought to have and has not. provenance: of a result without a
    record what it says of the enlargements that it went through, the last one last.
    """

    path: Path
    state: State
    source: str = ""
    source_sha256: str | None = None
    settings: str = ""
    wanted_settings: str | None = None
    weights_sha256: str | None = None
    provenance: tuple[dict[str, str], ...] = ()

    @property
    def problem(self) -> str:
        """What is wrong, in words; "" for nothing."""
        words = PROBLEMS.get(self.state, "")
        if self.state == "other settings" and self.wanted_settings is not None:
            own, wanted = apart(self.settings, self.wanted_settings)
            return f"{words}: {own}, and not {wanted}"
        if self.provenance:
            return f"{words}; it says of itself: {_told(self.provenance[-1])}"
        return words


def _told(step: dict[str, str]) -> str:
    network = step.get("model", "no network")
    made = f"{step['tool']} {step['version']}, {network}, x{step['scale']}"
    return f"{made}, {in_words(step['settings'])}, source sha256 {step['source_sha256']}"


def verify(folder: Path, stop: Stop, against: Against = Against()) -> Iterator[Verified]:
    """Each result that the folder, or one below it, has a record of, by its content, then pictures
    and videos that are neither results nor sources of any.

    Times are changed by copying, and prove nothing.

    Raises UsageError for a folder without records whose files say nothing of themselves either,
    DiskError when records cannot be read, the errors of `Against.wanted`, and StoppedError.
    """
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "no such folder"
        raise UsageError(what, folder, "give a folder of results")
    recorded = _recorded(folder, against)
    for path, (record, wanted) in sorted(recorded.items()):
        stop.check()
        yield _verified(path, record, wanted)
    strangers = _strangers(folder, recorded, stop)
    if not recorded:
        told = list(strangers)
        if not any(one.provenance for one in told):
            raise UsageError("holds no records of esc upscale", folder, _where_records_are(folder))
        strangers = iter(told)
    yield from strangers


_Recorded = dict[Path, tuple[OutputRecord, Wanted]]


def _recorded(folder: Path, against: Against) -> _Recorded:
    """The last record of each result, and what it is compared with, by its folder of records."""
    found: _Recorded = {}
    files = folder.rglob(".esc-records*.jsonl")
    for root in sorted({folder, *(path.parent for path in files)}):
        records = Records(root)
        wanted = against.wanted(records)
        for output, record in records.by_output.items():
            path = root / output
            if path not in found or found[path][0].at_ns <= record.at_ns:
                found[path] = record, wanted
    return found


def _where_records_are(folder: Path) -> str:
    above = (path for path in folder.absolute().parents if Records(path).by_output)
    found = next(above, None)
    return "give a folder of results" if found is None else f"those of {shown(found)} may be meant"


def _verified(path: Path, record: OutputRecord, wanted: Wanted) -> Verified:
    own: dict[str, Any] = {
        "source": record.input,
        "source_sha256": record.source.sha256,
        "settings": record.settings,
        "weights_sha256": record.weights_sha256,
    }
    state, settings = _state(path, record), wanted.settings_for(record)
    if state in ("intact", "source gone"):
        if settings is not None:
            return Verified(path, "other settings", wanted_settings=settings, **own)
        if not wanted.is_of_network(record):
            state = "other network"
    return Verified(path, state, **own)


def _state(path: Path, record: OutputRecord) -> State:
    if not path.is_file():
        return "missing"
    if not record.result.fits(path, by_content=True):
        return "changed"
    source = Path(record.input)
    if not source.is_file():
        return "source gone"
    return "intact" if record.source.fits(source, by_content=True) else "source changed"


def _strangers(folder: Path, recorded: _Recorded, stop: Stop) -> Iterator[Verified]:
    """Pictures and videos of which no record knows, with what they say of themselves."""
    sources = {record.input for record, _ in recorded.values()}
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        suffix = path.suffix.lower()
        if hidden or suffix not in PICTURES | VIDEOS | INPUT_SUFFIXES or not path.is_file():
            continue
        if path not in recorded and os.path.abspath(path) not in sources:  # noqa: PTH100 - as records have them
            stop.check()
            yield Verified(path, "no record", provenance=_said(path))


def _said(path: Path) -> tuple[dict[str, str], ...]:
    try:
        return tuple(step.properties for step in provenance_in(path, _FOR_READING))
    except EscError:  # what cannot be read has no record all the same
        return ()
