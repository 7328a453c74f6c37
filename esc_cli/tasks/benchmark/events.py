"""What `esc bench` can be asked, and what it tells while it runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from esc_cli.benchmark.compare import Earlier
from esc_cli.benchmark.results import BenchRow
from esc_cli.model.config import ATTENTION_KERNELS, FLASHBIAS

AUTO = "auto"
ATTENTIONS = (
    AUTO,
    *(kernel.name for kernel in ATTENTION_KERNELS.values() if not kernel.for_training),
    FLASHBIAS,
)
"""What can be asked for; auto is what a network uses by itself."""


@dataclass(frozen=True)
class BenchOptions:
    """Everything that `esc bench` takes. size: (width, height) of the result."""

    models: tuple[str, ...]
    scales: tuple[int, ...]
    precisions: tuple[str, ...] = ("fp32",)
    attentions: tuple[str, ...] = (AUTO,)
    compiled: bool = False
    size: tuple[int, int] = (1280, 720)
    batch: int = 1
    device: str = "auto"
    warmup: int | None = None
    runs: int | None = None
    plot: bool = False
    folder: Path | None = None
    scratch: Path | None = None
    before: Earlier | None = None


@dataclass(frozen=True)
class BenchStarted:
    """How many configurations there are, on which machine, and how each is measured."""

    total: int
    environment: dict[str, str]
    how: str


@dataclass(frozen=True)
class Measured:
    """One configuration is done."""

    row: BenchRow


@dataclass(frozen=True)
class BenchFailed:
    """One configuration could not be measured; the others go on."""

    what: str
    reason: str


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline, and the seconds that the pictures took in it, summed."""

    name: str
    seconds: float


@dataclass(frozen=True)
class WholeJob:
    """A folder through the whole pipeline, beside its network alone.

    seconds: from the first decoding to the last file in place, without start-up; idle_s: the part
    of it in which the network had nothing to do. alone_images_per_s: the network stage of the same
    pictures when nothing else runs, half of them before and half after.
    """

    model: str
    scale: int
    device: str
    precision: str
    attention: str
    pictures: int
    megapixels: float
    seconds: float
    stages: tuple[Stage, ...]
    idle_s: float
    images_per_s: float
    alone_images_per_s: float

    @property
    def ratio(self) -> float:
        """The pipeline's rate as a share of the network's own."""
        return self.images_per_s / self.alone_images_per_s


BenchEvent = BenchStarted | Measured | BenchFailed | WholeJob
