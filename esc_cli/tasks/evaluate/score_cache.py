"""Scores of earlier runs, so that an evaluation that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from esc_cli._version import __version__
from esc_cli.errors import DiskError


@dataclass
class ScoreCache:
    """Values by fingerprint in one file of JSON lines; `path` None keeps nothing."""

    path: Path | None
    _added: dict[str, dict[str, float]] = field(default_factory=dict)

    @cached_property
    def _stored(self) -> dict[str, dict[str, float]]:
        try:
            content = b"" if self.path is None else self.path.read_bytes()
        except OSError:
            return {}
        lines = content.decode("ascii", "replace").splitlines()
        return dict(pair for line in lines if (pair := _parsed(line)))

    def prepare(self) -> None:
        """Raises DiskError when the file cannot be written, before any work is done for it."""
        if self.path is None:
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.path.open("ab").close()
        except OSError as error:
            advice = "use --no-cache"
            raise DiskError(f"cannot be written: {error.strerror}", self.path, advice) from error

    def get(self, key: str) -> dict[str, float]:
        """The values known under a fingerprint; empty when there are none."""
        return self._added.get(key) or self._stored.get(key, {})

    def put(self, key: str, values: dict[str, float]) -> None:
        """Keep values. Raises DiskError when the file cannot be written."""
        self._added[key] = values
        if self.path is None:
            return
        line = "\n" + json.dumps({"key": key, "values": values}) + "\n"
        try:
            with self.path.open("ab", buffering=0) as stream:
                stream.write(line.encode("ascii"))
        except OSError as error:
            advice = "use --no-cache"
            raise DiskError(f"cannot be written: {error.strerror}", self.path, advice) from error


def _parsed(line: str) -> tuple[str, dict[str, float]] | None:
    try:
        entry = json.loads(line)
        return str(entry["key"]), {str(k): float(v) for k, v in entry["values"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # cut short by a crash


def fingerprint(*parts: str | bytes) -> str:
    """A digest of everything that a value depends on, the version of esc included."""
    digest = hashlib.sha256(__version__.encode())
    for part in parts:
        content = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(hashlib.sha256(content).digest())
    return digest.hexdigest()
