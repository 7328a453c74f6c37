"""What a run tells while it goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cached:
    """Pictures are being decoded, or made smaller, once."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Started:
    """The run as it begins or goes on; `parameters` is the network's count."""

    pictures: int
    left_out: tuple[str, ...]
    step: int
    seconds: float
    device: str
    parameters: int
    checkpoint: Path | None = None


@dataclass(frozen=True)
class Note:
    """Something a user should know."""

    text: str


@dataclass(frozen=True)
class Logged:
    """Means since the last one. `progress` is in 0..1; `patches_per_s` what the loader gave;
    `waiting` the share of time in which the device waited for it."""

    step: int
    seconds: float
    progress: float
    rate: float
    losses: dict[str, float]
    iterations_per_s: float
    patches_per_s: float
    waiting: float


@dataclass(frozen=True)
class Validated:
    """Scores of the averaged weights, by set: ``{"Set5": {"psnr": 30.85, "ssim": 0.873}}``."""

    step: int
    seconds: float
    scores: dict[str, dict[str, float]]


@dataclass(frozen=True)
class Saved:
    """A checkpoint is whole under its name."""

    step: int
    path: Path


@dataclass(frozen=True)
class Finished:
    """The end of the run."""

    step: int
    seconds: float
    path: Path


TrainEvent = Cached | Started | Note | Logged | Validated | Saved | Finished
