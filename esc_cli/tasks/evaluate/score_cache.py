"""Scores of earlier runs, so that an evaluation that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import platformdirs

from esc_cli._version import __version__
from esc_cli.files.atomic import file_failures
from esc_cli.files.jsonl import LineFile, append_line, read_lines

ADVICE = "use --no-cache"


def usual_file() -> Path:
    """Where the scores of earlier runs are kept."""
    return platformdirs.user_cache_path("esc") / "scores.jsonl"


@dataclass(frozen=True)
class Known:
    """Values of a result by metric, and which of them hung on random draws."""

    values: dict[str, float]
    drawn: tuple[str, ...] = ()


NOTHING = Known({})


@dataclass
class ScoreCache:
    """Values by fingerprint in one file of JSON lines; `path` None keeps nothing."""

    path: Path | None
    _added: dict[str, Known] = field(default_factory=dict)

    @cached_property
    def _stored(self) -> dict[str, Known]:
        try:
            entries = [] if self.path is None else read_lines(self.path)
        except OSError:
            return {}
        return dict(pair for entry in entries if (pair := _parsed(entry)))

    def prepare(self) -> None:
        """Raises DiskError when the file cannot be written, before any work is done for it."""
        if self.path is None:
            return
        with file_failures(self.path, ADVICE):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        LineFile(self.path, ADVICE).close()

    def get(self, key: str) -> Known:
        """What is known under a fingerprint; empty when there is nothing."""
        return self._added.get(key) or self._stored.get(key, NOTHING)

    def put(self, key: str, known: Known) -> None:
        """Keep values. Raises DiskError when the file cannot be written."""
        self._added[key] = known
        if self.path is not None:
            entry = {"key": key, "values": known.values}
            drawn = {"drawn": list(known.drawn)} if known.drawn else {}
            append_line(self.path, entry | drawn, advice=ADVICE)


def _parsed(entry: dict[str, Any]) -> tuple[str, Known] | None:
    try:
        values = {str(k): float(v) for k, v in entry["values"].items()}
        return str(entry["key"]), Known(values, tuple(map(str, entry.get("drawn", ()))))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # of another version


def fingerprint(*parts: str | bytes) -> str:
    """A digest of everything that a value depends on, the version of esc included."""
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        content = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
