"""The folder of a run: checkpoints that are whole or not there, the newest one, the log."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from esc_cli.errors import DiskError, UsageError, WeightsError, shown
from esc_cli.files.atomic import remove_stale_parts, write_atomic
from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.files.lock import Lock

_NAME = re.compile(r"step-(\d{8})\.pt")
LOG = "log.jsonl"
LOCK = ".lock"


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
        return sorted(path for path in found if _NAME.fullmatch(path.name) and path.is_file())

    def newest(self) -> Path | None:
        """The checkpoint of the most iterations."""
        return next(reversed(self.all()), None)

    def holds(self, checkpoint: Path) -> bool:
        """Whether a file lies in this folder, at any depth."""
        try:
            return checkpoint.resolve().is_relative_to(self.path.resolve())
        except (OSError, RuntimeError):  # a loop of links; opening it will say so
            return False

    def set_aside(self, step: int, start: Path) -> RunFolder | None:
        """Move checkpoints of `step` and more iterations, but for `start`, into a run of their own.

        A run that goes on from `start` would mix its checkpoints with them. The new run, which has
        the log as it was, too, is `<run>/set-aside-1` or the next free number; None when there is
        nothing to move. Raises DiskError.
        """
        later = [path for path in self.all() if _step(path) >= step and not path.samefile(start)]
        if not later:
            return None
        numbers = itertools.count(1)
        names = (self.path / f"set-aside-{number}" for number in numbers)
        aside = RunFolder(next(path for path in names if not os.path.lexists(path)))
        aside.prepare()
        try:
            if (self.path / LOG).is_file():
                shutil.copy2(self.path / LOG, aside.path / LOG)
            for path in later:
                path.rename(aside.checkpoints / path.name)
        except OSError as error:
            raise DiskError(f"cannot be written: {error.strerror}", aside.path) from error
        return aside

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
        append_line(self.path / LOG, entry)

    def rewind_log(self, step: int) -> None:
        """Drop the lines after an iteration, which a resumed run writes again."""
        path = self.path / LOG
        if path.is_file():
            kept = [entry for entry in read_log(path) if entry["step"] <= step]
            write_atomic(path, "".join(json.dumps(entry) + "\n" for entry in kept).encode())


class RunLock(Lock):
    """Holds the folder of a run, from `hold` to the end of the block: two runs in it would go over
    each other's checkpoints."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOCK)
        self.folder = folder

    def __enter__(self) -> RunLock:
        """Nothing is held yet."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Let others train here."""
        self.release()

    def hold(self) -> None:
        """Hold the folder, which is made; holding it already is no error.

        Raises UsageError when another process does, DiskError when it cannot be written.
        """
        if not self.take():
            advice = "wait for it or stop it, or choose another --out"
            raise UsageError("another esc trains here now", self.folder, advice)

    def hold_earlier_run(self) -> None:
        """As `hold` where a run was before; elsewhere nothing is made."""
        if os.path.lexists(self.path):
            self.hold()


def _step(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    return int(found[1]) if found else 0


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; one that a kill cut short is left out. Raises DiskError."""
    try:
        entries = read_lines(path)
    except OSError as error:
        raise DiskError(f"cannot be read: {error.strerror}", path) from error
    return [entry for entry in entries if isinstance(entry.get("step"), int)]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, on the CPU; no code in it is run.

    Raises UsageError when there is no such file, WeightsError when it cannot be read or is none.
    """
    advice = "a run's folder, or a checkpoint in it"
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # a device may have no end
            what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
            raise UsageError(what, path, "give a checkpoint, such as step-00012000.pt")
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError("no such file or folder", path, advice) from error
    except OSError as error:
        raise WeightsError(f"cannot be read: {error.strerror}", path) from error
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises anything at all over damaged bytes
        raise WeightsError("not a readable training checkpoint", path, _way_out(path)) from error
    if not isinstance(state, dict) or "params_ema" not in state or "step" not in state:
        raise WeightsError("no training checkpoint of esc", path, "give one that esc train wrote")
    return state


def _way_out(damaged: Path) -> str:
    """What to do about a file that cannot be read."""
    folder = RunFolder(damaged.parent.parent)
    if damaged.parent != folder.checkpoints or not _NAME.fullmatch(damaged.name):
        return "give a checkpoint that esc train wrote"
    before = [path for path in folder.all() if path.name < damaged.name]
    if not before:
        return "there is none before it to go on from"
    return f"the one before it is {shown(before[-1])}: remove this one to go on from that"
