"""The folder of a run: checkpoints that are whole or not there, the newest one, the log."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from esc_cli.errors import DiskError, WeightsError
from esc_cli.media.atomic import remove_stale_parts, write_atomic

_NAME = re.compile(r"step-(\d{8})\.pt")
LOG = "log.jsonl"


@dataclass(frozen=True)
class RunFolder:
    """`path` holds `checkpoints/step-00012000.pt` and `log.jsonl`."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    def prepare(self) -> None:
        """Create the folders. Raises DiskError when that fails."""
        try:
            self.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DiskError(f"cannot be created: {error.strerror}", self.path) from error
        remove_stale_parts(self.checkpoints)

    def all(self) -> list[Path]:
        """The checkpoints, oldest first."""
        found = self.checkpoints.glob("step-*.pt") if self.checkpoints.is_dir() else ()
        return sorted(path for path in found if _NAME.fullmatch(path.name))

    def newest(self) -> Path | None:
        """The checkpoint of the most iterations."""
        return next(reversed(self.all()), None)

    def save(self, state: dict[str, Any], step: int, keep: int) -> Path:
        """Write a checkpoint under its name in one go, then remove all but the last `keep`.

        Raises DiskError and WriteError; the checkpoints before it are then untouched.
        """
        content = io.BytesIO()
        torch.save(state, content)
        path = self.checkpoints / f"step-{step:08d}.pt"
        write_atomic(path, content.getvalue())
        for old in self.all()[:-keep]:
            old.unlink(missing_ok=True)
        return path

    def append_log(self, entry: dict[str, Any]) -> None:
        """Add a line to the log. Raises DiskError when that fails."""
        path = self.path / LOG
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise DiskError(f"cannot be written: {error.strerror}", path) from error

    def rewind_log(self, step: int) -> None:
        """Drop the lines after an iteration, which a resumed run writes again."""
        path = self.path / LOG
        if path.is_file():
            kept = [entry for entry in read_log(path) if entry["step"] <= step]
            write_atomic(path, "".join(json.dumps(entry) + "\n" for entry in kept).encode())


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; one that a kill cut short is left out."""
    entries = []
    for line in path.read_text("utf-8").splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and isinstance(entry.get("step"), int):
            entries.append(entry)
    return entries


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; no code in it is run. Raises WeightsError."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises anything at all over damaged bytes
        what = f"not a readable training checkpoint ({type(error).__name__})"
        raise WeightsError(what, path, "remove it to go on from the one before") from error
    if not isinstance(content, dict) or "params_ema" not in content or "step" not in content:
        raise WeightsError("no training checkpoint of esc", path)
    return content
