"""Steps of a video that workers of one run take as they come to them: each step is of the first.

So fast workers do more than slow ones. What a worker has taken and not done when it dies is of the
one that goes on in its place.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.shard import Seat
from esc_cli.tasks.upscale.video.journal import folder_failures
from esc_cli.tasks.upscale.video.plan import VideoJob

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Claims:
    """Files beside the journal, one for each step that was taken in a run. `name`: of the seat.

    Those of other runs have other names, and go with the journal.
    """

    folder: Path
    run: str
    name: str

    @classmethod
    def of(cls, folder: Path, seat: Seat) -> Claims:
        """Those of a seat."""
        return cls(folder, seat.run, seat.name)

    def take(self, number: int) -> bool:
        """Whether a step, by its number, is of this seat; if nobody had it, it is from now on.

        None is once another has joined all. Raises WriteError and DiskError.
        """
        with folder_failures(self.folder):
            try:
                return self._takes(self.folder / f"claim.{self.run}.{number}")
            except FileNotFoundError:  # the folder is gone
                return False

    def _takes(self, path: Path) -> bool:
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
        except FileExistsError:
            return path.read_text(encoding="ascii") == self.name
        try:
            os.write(handle, self.name.encode("ascii"))
        finally:
            os.close(handle)
        return True


@dataclass(frozen=True, kw_only=True)
class Turn(Item):
    """What a seat says at its end: the item of its part of the work, and what joining needs.

    job: as it was done, with its fields decided and its network known. folder: of the journal, with
    what decoding has told beside it. missing: steps that were not finished then.
    """

    job: VideoJob
    folder: Path
    missing: int


def stamp_of(output: Path) -> Stamp | None:
    """What changes when a result takes its name; None where nothing has it."""
    try:
        status = output.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
