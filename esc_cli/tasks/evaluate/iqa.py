"""The pyiqa metrics of one evaluation: loaded once, each failing for itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from esc_cli.errors import EscError, ItemError, MissingExtraError, UsageError
from esc_cli.evaluation.decimals import Metric

if TYPE_CHECKING:
    from pathlib import Path

    from esc_cli.evaluation.iqa import IqaMetric

DIGITS = 4


@dataclass
class IqaSuite:
    """Metrics by name on a device. pyiqa is imported by `load`, and only if there are names."""

    names: tuple[str, ...]
    device: str
    offline: bool = False
    _loaded: dict[str, IqaMetric] = field(default_factory=dict)
    _failures: list[tuple[str, str]] = field(default_factory=list)
    _drawn: set[str] = field(default_factory=set)

    def load(self) -> list[tuple[str, str]]:
        """Load all; (name, reason) of those that cannot be.

        Raises UsageError for a name that pyiqa does not know, MissingExtraError without pyiqa.
        """
        if not self.names:
            return []
        from esc_cli.engine.precision import choose_device
        from esc_cli.evaluation.iqa import describe, load_metric

        device = choose_device(self.device)
        for name in self.names:
            describe(name)
        failed = []
        for name in self.names:
            try:
                self._loaded[name] = load_metric(name, device, offline=self.offline)
            except MissingExtraError:
                raise
            except EscError as error:
                failed.append((name, error.reason))
        return failed

    def names_for(self, has_reference: bool) -> set[str]:
        """The metrics that can be computed for a picture."""
        return {name for name, m in self._loaded.items() if self._applies(m, has_reference)}

    def score(self, sr: Tensor, hr: Tensor | None) -> dict[str, float]:
        """Values by name for (3, H, W) uint8 pictures; failures are kept for `take_failures`."""
        values: dict[str, float] = {}
        batch = sr.unsqueeze(0).float() / 255
        reference = None if hr is None else hr.unsqueeze(0).float() / 255
        for name in sorted(self.names_for(hr is not None)):
            try:
                values[name] = self._loaded[name].score(batch, reference)[0]
            except ItemError as error:
                self._failures.append((name, error.reason))
        return values

    def whole_set_names(self) -> list[str]:
        """The metrics that compare folders, such as FID."""
        return [name for name, metric in self._loaded.items() if metric.info.whole_set]

    def score_folders(self, sr_folder: Path, hr_folder: Path) -> dict[str, float]:
        """Values of the metrics that compare folders; failures are kept for `take_failures`."""
        values: dict[str, float] = {}
        for name in self.whole_set_names():
            try:
                values[name] = self._loaded[name].score_folders(sr_folder, hr_folder)
            except (ItemError, UsageError) as error:
                self._failures.append((name, error.reason))
        return values

    def take_failures(self) -> list[tuple[str, str]]:
        """(name, reason) of the metrics that failed since the last call."""
        taken, self._failures = self._failures, []
        return taken

    def drawn(self) -> tuple[str, ...]:
        """The metrics of which a value hung on random draws, here or in an earlier run."""
        here = {name for name, metric in self._loaded.items() if metric.draws}
        return tuple(sorted(here | self._drawn))

    def recall_drawn(self, names: Iterable[str]) -> None:
        """Take over what `drawn` was when values of an earlier run were computed."""
        self._drawn.update(names)

    def metric(self, name: str) -> Metric:
        """How a metric is shown."""
        info = self._loaded[name].info
        seeded = name in self.drawn()
        label = f"{name.upper()} (seeded)" if seeded else name.upper()
        return Metric(name, label, DIGITS, info.lower_is_better, seeded)

    def _applies(self, metric: IqaMetric, has_reference: bool) -> bool:
        info = metric.info
        return not info.whole_set and (has_reference or not info.needs_reference)
