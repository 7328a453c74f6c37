"""What a kind of input (pictures, videos) decides about its inputs when a batch is planned.

A new kind is one file with a class that satisfies `InputKind`, and its entry in `plan.KINDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from esc_cli.media.naming import Destination, name_for
from esc_cli.media.paths import Source
from esc_cli.tasks.models import Choice, Models
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import RecordShelf


@dataclass(frozen=True)
class Enlargement:
    """How much larger a result is. `size`: its (width, height) in pixels; `factor`: from one to the
    other, above 1 where a network is needed; `scale`: the factor as it was asked for, without the
    rounding of sides; `label`: the target in names, such as x4."""

    size: tuple[int, int]
    factor: float
    scale: float
    label: str


@dataclass(frozen=True)
class Batch:
    """What the drafts of a batch share. `chosen`: where -o says that results go."""

    options: UpscaleOptions
    models: Models
    shelf: RecordShelf
    chosen: Destination | None

    @property
    def own_file(self) -> Path | None:
        """The one file that -o names."""
        return None if self.chosen is None else self.chosen.file

    @property
    def is_boxed(self) -> bool:
        """Whether the size of results is given, so that the factor differs from input to input."""
        return self.options.target.has_size

    def enlargement(
        self, own: tuple[int, int], size: tuple[int, int], default_scale: float
    ) -> Enlargement:
        """From an input's own (width, height) to `size`; `default_scale` when none is asked for."""
        target = self.options.target
        factor = max(size[0] / own[0], size[1] / own[1])
        scale = factor if self.is_boxed else target.scale or default_scale
        return Enlargement(size, factor, scale, target.label(default_scale))

    def choice(self, enlargement: Enlargement) -> Choice | None:
        """The network for it, None where none is needed. Raises WeightsError where none reaches."""
        return self.models.choose(enlargement.scale) if enlargement.factor > 1 else None

    def output(self, source: Source, root: Path, enlargement: Enlargement, suffix: str) -> Path:
        """The path of a result below `root`, or the one that -o names."""
        if self.own_file is not None:
            return self.own_file
        width, height = map(str, enlargement.size)
        values = {
            "label": enlargement.label,
            "scale": f"{enlargement.scale:.4g}",
            "width": width,
            "height": height,
        }
        name = name_for(source, self.chosen, self.options.name, values)
        return root / source.relative.with_name(name + suffix)


class InputKind(Protocol):
    """One kind of input, made for one batch."""

    @property
    def drafts_beside(self) -> bool:
        """Whether an input may be looked at while others are decoded, in another thread."""
        ...

    def recognises(self, source: Source) -> bool:
        """Whether an input is of this kind. Raises ItemError for what cannot be looked at."""
        ...

    def draft(self, source: Source, root: Path) -> Job:
        """The job for an input, from its header; no pixels are decoded.

        It must be picklable. Its output, below `root`, need not be free or unlike the others.
        Raises UsageError for options that do not go together, WeightsError, and ItemError when the
        input cannot be done.
        """
        ...
