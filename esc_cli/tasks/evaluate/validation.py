"""Scores of a network on benchmark sets while it trains, by the code of `esc eval`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor

from esc_cli.engine.options import WHOLE, EngineOptions
from esc_cli.engine.upscaler import Upscaler
from esc_cli.errors import UsageError
from esc_cli.evaluation import protocol
from esc_cli.evaluation.datasets import Dataset, find_dataset
from esc_cli.evaluation.metrics import METRICS
from esc_cli.model import Network
from esc_cli.tasks.evaluate.degraded import CLEAN, Level, degraded
from esc_cli.tasks.evaluate.samples import Reading, read_sample

Scores = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Validation:
    """Sets read once; called with a network it gives ``{"Set5": {"psnr": ..., "ssim": ...}}``."""

    scale: int
    engine: EngineOptions
    sets: dict[str, list[tuple[Tensor, Tensor]]]  # (LR, HR) uint8 (3, H, W)

    def __call__(self, network: Network) -> dict[str, dict[str, float]]:
        """The means over each set by metric, on Y, border = scale."""
        upscaler = Upscaler(network, self.engine)
        return {name: self._means(upscaler, pairs) for name, pairs in self.sets.items()}

    def _means(self, upscaler: Upscaler, pairs: list[tuple[Tensor, Tensor]]) -> dict[str, float]:
        found: dict[str, list[float]] = defaultdict(list)
        for lr, hr in pairs:
            size = (hr.shape[-2], hr.shape[-1]) if upscaler.config.any_scale else None
            sr = upscaler.upscale(lr, size=size, dtype=torch.uint8).image
            for name, value in protocol.compare(
                sr, hr, protocol.border_of(self.scale), "y"
            ).items():
                found[name].append(value)
        return {name: fmean(values) for name, values in found.items()}


def prepare_validation(
    names: tuple[str, ...],
    roots: tuple[Path, ...],
    scale: int,
    device: str,
    levels: Mapping[str, Level] | None = None,
) -> Validation:
    """Read the sets, and make their fixed degraded copies at `levels` ("Set5 JPEG 75").

    Raises UsageError when a set is not found, and the errors of reading.
    """
    sets = {}
    for name in names:
        dataset = find_dataset(name, roots, scale)
        pairs = sets[dataset.name] = _read(dataset)
        for label, level in (levels or {}).items():
            if level != CLEAN:
                copies = [(degraded(lr, level), hr) for lr, hr in pairs]
                sets[f"{dataset.name} {label}"] = copies
    return Validation(scale, EngineOptions(device, "fp32", tile=WHOLE), sets)


def printed(scores: Mapping[str, float]) -> list[tuple[str, str]]:
    """The means of a set for people: ("PSNR", "30.851 dB") and so on, in the table's order."""
    known = (metric for metric in METRICS.values() if metric.name in scores)
    return [(metric.label, metric.validated(scores[metric.name])) for metric in known]


def rounded(scores: Scores) -> Scores:
    """Means by set with the decimals that the literature prints, for the record of weights."""
    return {
        name: {metric: round(value, METRICS[metric].digits) for metric, value in values.items()}
        for name, values in scores.items()
    }


def _read(dataset: Dataset) -> list[tuple[Tensor, Tensor]]:
    pairs = []
    for pair in dataset.pairs:
        sample = read_sample(
            pair, dataset.scale, Reading(1 << 29, reference=True), defaultdict(float)
        )
        if sample.hr is None:
            raise UsageError(f"{pair.name} of {dataset.name} has no HR to validate on")
        pairs.append((sample.lr, sample.hr))
    return pairs
