"""One input that is to become one output, and the item that it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import WriteError
from esc_cli.media.formats import OutputPlan
from esc_cli.media.paths import Source, absolute
from esc_cli.media.picture import Header
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, ItemEvent, Status
from esc_cli.tasks.upscale.memory_limit import picture_bytes
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import FileState, OutputRecord, RecordShelf


@dataclass(frozen=True)
class Job:
    """One input that is to become one output. `size` is the result's (width, height)."""

    source: Source
    header: Header
    size: tuple[int, int]
    choice: Choice | None  # None: the result is no larger than the input, no network is needed
    format: OutputPlan
    root: Path
    output: Path
    settings: str
    bytes_estimate: int

    @property
    def result_bytes(self) -> int:
        """Memory that the decoded result takes."""
        header = self.header
        return self.size[0] * self.size[1] * header.frames * header.channels * header.bits // 8

    @property
    def memory_bytes(self) -> int:
        """Memory that it takes from reading to writing, estimated; 0 where no size counts."""
        return picture_bytes(self.header, self.size, self._file_bytes + self.bytes_estimate)

    @property
    def _file_bytes(self) -> int:
        try:
            return self.source.path.stat().st_size
        except OSError:  # reading it tells why
            return 0

    @property
    def disk_bytes(self) -> int:
        """Disk space that it takes at its peak, estimated."""
        return self.bytes_estimate

    @property
    def digests(self) -> frozenset[str | None]:
        """Of the networks that a record of the finished job may name: it names one."""
        if self.choice is None:
            return frozenset((None,))
        return frozenset(one.digest for one in self.choice.networks)

    @property
    def passing_bytes(self) -> int:
        """Disk space that it takes besides while it is at work, one job at a time."""
        return 0

    def waiting_bytes(self, options: UpscaleOptions) -> int:  # noqa: ARG002 - of shared videos
        """Disk space that it takes besides until all shares of the batch have done theirs."""
        return 0

    def record(self, source: FileState, result: FileState, output: str) -> OutputRecord:
        """The record of the finished job; `output` is relative to the folder of the records."""
        return OutputRecord(
            str(absolute(self.source.path)),
            output,
            source,
            result,
            self.header,
            self.settings,
            None if self.choice is None else self.choice.digest,
        )

    def is_shared(self, options: UpscaleOptions) -> bool:  # noqa: ARG002 - of long videos
        """Whether all shares of the batch do it together."""
        return False

    def problem(self) -> str:
        """Why the encoder would refuse the result, found by trying; "" if it does not.

        Raises DeviceError when it refuses any, because this machine lacks what it needs.
        """
        return ""

    def discard_unfinished(self) -> None:
        """Remove what earlier runs left unfinished of the result. Raises WriteError."""


@dataclass(frozen=True)
class Outlook:
    """What a dry run expects of a job: about how many frames its result will have, what else it
    tells, and the bytes of the result where they were measured."""

    frames: int
    notes: tuple[str, ...] = ()
    bytes: int | None = None


@dataclass(frozen=True)
class StreamedJob(Job, ABC):
    """One that is decoded, enlarged and encoded piece by piece, and has a device for itself."""

    @property
    def memory_bytes(self) -> int:
        """What is at work is a piece."""
        return 0

    @abstractmethod
    def forecast(self, models: Models, options: UpscaleOptions, known: dict[Any, Any]) -> Outlook:
        """What a dry run tells; `known`: what forecasts of the batch measured, to be added to."""

    @abstractmethod
    def run(
        self, options: UpscaleOptions, models: Models, shelf: RecordShelf, stop: Stop
    ) -> Iterator[ItemEvent]:
        """Do it: `Remark` and `Progress` on the way, at last the `Item`, its record kept.

        Raises ItemError and SetupError, StoppedError, and DeadlineError when `stop` is due.
        """


@dataclass(frozen=True)
class Settled:
    """Items that need no work, where they stand among the jobs of a batch."""

    items: tuple[Item, ...]


def smallest_tile(tiles: Sequence[int]) -> int | None:
    """The side of the smallest tile of an item's passes, 0 if all were whole; None without any."""
    return min((tile for tile in tiles if tile), default=0) if tiles else None


def safest(precisions: Collection[str | None]) -> str | None:
    """The precision of the most range and digits that a pass of an item needed."""
    return next((name for name in ("fp32", "bf16", "fp16") if name in precisions), None)


def item_of(job: Job, status: Status, reason: str = "") -> Item:
    """The item that a job becomes."""
    return Item(
        job.source.path,
        status,
        job.output,
        reason,
        input_size=(job.header.width, job.header.height),
        output_size=job.size,
        model=None if job.choice is None else job.choice.name,
        weights_sha256=None if job.choice is None else _digest(job.choice),
        network="" if job.choice is None else job.choice.why,
    )


def _digest(choice: Choice) -> str | None:
    return None if choice.is_open or not choice.sha256 else choice.digest


def check_overwriting(job: Job) -> None:
    """Raise WriteError when the output has become the input since the plan was made."""
    if job.output.exists() and job.source.path.exists() and job.output.samefile(job.source.path):
        raise WriteError("is the input by another name, and is left alone", job.output)
