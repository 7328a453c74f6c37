"""Whether a worker sees the folders of a batch: paths travel, pixels do not."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from esc_cli.errors import shown
from esc_cli.files.atomic import file_failures, part_name, remove_stale_parts
from esc_cli.tasks.upscale.job import Job

_ADVICE = "every machine must see the same folders under the same paths"


@dataclass(frozen=True)
class Sight:
    """What a worker must see: an input of each folder with its size in bytes, and in each output
    folder a file that holds `token`."""

    inputs: tuple[tuple[Path, int], ...]
    marks: tuple[Path, ...]
    token: str

    def problem(self) -> str:
        """What of it cannot be seen or written to from here; "" if all can."""
        for path, size in self.inputs:
            try:
                same = path.stat().st_size == size
            except OSError as error:
                return f"cannot see the input {shown(path)}: {error.strerror} ({_ADVICE})"
            if not same:
                return f"sees another file as {shown(path)} ({_ADVICE})"
        return next(filter(None, map(self._problem_of, self.marks)), "")

    def _problem_of(self, mark: Path) -> str:
        folder = shown(mark.parent)
        try:
            same = mark.read_text(encoding="ascii") == self.token
        except (OSError, ValueError):
            same = False
        if not same:
            return f"does not see the output folder {folder} ({_ADVICE})"
        try:
            tempfile.TemporaryFile(dir=mark.parent).close()
        except OSError as error:
            return f"cannot write to the output folder {folder}: {error.strerror}"
        return ""


def unmoved(path: Path) -> Path:
    """The path from the root on, as it is for a process that runs elsewhere; links stay links."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.resolve would follow them


@contextlib.contextmanager
def marked(jobs: Sequence[Job]) -> Iterator[Sight]:
    """What workers must see of these jobs, whose output folders are there.

    The marks are gone after the block; those of a process that was killed go as its other parts do.
    Raises DiskError.
    """
    token = secrets.token_hex(16)
    folders = dict.fromkeys(unmoved(job.root) for job in jobs)
    marks = tuple(folder / part_name("cluster") for folder in folders)
    try:
        for mark in marks:
            remove_stale_parts(mark.parent)
            with file_failures(mark):
                mark.write_text(token, encoding="ascii")
        yield Sight(_samples(jobs), marks, token)
    finally:
        for mark in marks:
            with contextlib.suppress(OSError):
                mark.unlink(missing_ok=True)


def _samples(jobs: Sequence[Job]) -> tuple[tuple[Path, int], ...]:
    """An input of each folder that was given."""
    by_folder: dict[Path, Path] = {}
    for job in jobs:
        path = unmoved(job.source.path)
        by_folder.setdefault(job.source.folder or path.parent, path)
    with contextlib.suppress(OSError):  # one that has gone fails as the item that it is
        return tuple((path, path.stat().st_size) for path in by_folder.values())
    return ()
