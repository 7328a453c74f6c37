"""What a batch tells while it runs. The library yields these; it never prints."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from esc_cli.files.jsonl import LineFile
from esc_cli.files.remote.address import Address

BEGUN, ENDED = "begun", "ended"
"""What a report tells of a share, besides its items."""


class Report:
    """Appends items to a file, each in one write, so that a crash leaves whole lines.

    Raises DiskError when the file cannot be opened or written.
    """

    def __init__(self, path: Path) -> None:
        self._lines = LineFile(path)

    def add(self, item: Item) -> None:
        """Append one line."""
        self._lines.append(item.as_json(), default=os.fspath)

    def begin(self, share: str) -> None:
        """Append that a share, as i/n, begins."""
        self._lines.append({"share": share, "event": BEGUN})

    def end(self, share: str, summary: Summary) -> None:
        """Append that it has ended, with its exit code and what it did not come to."""
        line = {"share": share, "event": ENDED, "exit_code": summary.exit_code}
        self._lines.append(line | {"left": summary.left})

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


Status = Literal["done", "skipped", "failed", "planned", "shared"]


@dataclass(frozen=True)
class Item:
    """One input and what became of it. Sizes are (width, height) pixels, times seconds.

    `reason` says why an item failed, was skipped, or is not yet finished; `notes` what memory or
    precision forced on the way. `network`: why this one of the networks for clean pictures and for
    photographs was chosen; empty where the user chose. `planned` stands for a dry run, `shared` for
    a video whose segments of this share are done, and whose result another share or the next run
    makes. `frames` of a video, and how many of them repeated the one before and took over its
    result; of an archive its pictures. What lies in a store has an `Address` in place of a path.
    """

    input: Path | Address
    status: Status
    output: Path | Address | None = None
    reason: str = ""
    input_size: tuple[int, int] | None = None
    output_size: tuple[int, int] | None = None
    output_bytes: int | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    tile: int | None = None
    precision: str | None = None
    device: str | None = None
    model: str | None = None
    weights_sha256: str | None = None
    network: str = ""
    notes: tuple[str, ...] = ()
    frames: int | None = None
    repeated_frames: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The object of `--report`: paths as text (a byte that is no UTF-8 as U+DC80 to U+DCFF)."""
        texts = {"input": str(self.input), "output": self.output and str(self.output)}
        notes = [self.network, *self.notes] if self.network else list(self.notes)
        return asdict(self) | texts | {"notes": notes}


@dataclass(frozen=True)
class Progress:
    """A video on its way: frames done of all that it has (None when nobody can tell), and the
    frames that this run did. Or an archive: then `unit` says that it is pictures that are counted.
    """

    input: Path | Address
    done: int
    total: int | None
    done_now: int
    unit: str = "frame"


@dataclass(frozen=True)
class Remark:
    """What ought to be known about an input while there is time to stop, e.g. what will be lost."""

    input: Path | Address
    text: str


@dataclass(frozen=True)
class Planned:
    """The batch as it was found, before any work.

    `of_other_shares`: inputs that are left to other machines. `looked_at`: the inputs from which
    `to_do`, `megapixels` and `bytes_estimate` are estimated; None where all were looked at.
    """

    total: int
    to_do: int
    megapixels: float
    bytes_estimate: int
    no_pictures: int
    earlier_outputs: Sequence[Path]
    empty_folders: tuple[Path | Address, ...]
    of_other_shares: int = 0
    looked_at: int | None = None


@dataclass(frozen=True)
class Summary:
    """The end of a batch. `exit_code` is the documented one.

    `planned`: what a dry run came to, where `Planned` was an estimate.
    """

    done: int
    skipped: int
    failed: int
    left: int
    seconds: float
    exit_code: int
    stopped: str = ""
    shared: int = 0
    planned: Planned | None = None


ItemEvent = Remark | Progress | Item
Event = Planned | ItemEvent | Summary
