"""What an evaluation found: plain values that tables, files and pages are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from esc_cli.evaluation.decimals import Measured, Metric

HR = "HR"
"""The name under which the reference stands among the pictures."""


@dataclass(frozen=True)
class Score:
    """The values of one picture as one method made it, by metric name.

    `seconds` is the time of the method, None when the values are those of an earlier run.
    """

    image: str
    method: str
    values: dict[str, float]
    seconds: float | None = None


@dataclass(frozen=True)
class Table:
    """All scores of one dataset at one scale.

    `methods` in the order of their columns, for example ("bicubic", "esc-tiny"). `published`
    holds, by method and metric name, the means that a paper printed. `of_set` holds the values of
    metrics that see a set as a whole, such as FID. `measured`: how full-reference metrics
    were, None without a reference.
    """

    dataset: str
    scale: int
    methods: tuple[str, ...]
    metrics: tuple[Metric, ...]
    scores: tuple[Score, ...]
    published: dict[str, dict[str, float]] = field(default_factory=dict)
    of_set: dict[str, dict[str, float]] = field(default_factory=dict)
    measured: Measured | None = None

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures that have a score, in order."""
        return tuple(dict.fromkeys(score.image for score in self.scores))

    def images_with(self, metric: str) -> list[str]:
        """The pictures that have a metric for every method."""
        complete = {
            image: all(metric in self._values.get((image, m), {}) for m in self.methods)
            for image in self.images
        }
        return [image for image, has_all in complete.items() if has_all]

    def value(self, image: str, method: str, metric: str) -> float | None:
        """One value, or None."""
        return self._values.get((image, method), {}).get(metric)

    @cached_property
    def _values(self) -> dict[tuple[str, str], dict[str, float]]:
        return {(score.image, score.method): score.values for score in self.scores}

    def mean(self, method: str, metric: str) -> float | None:
        """The mean of a method, or the value of the set; None without any.

        Over the pictures that have the metric for every method, so that columns compare.
        """
        if metric in self.of_set.get(method, {}):
            return self.of_set[method][metric]
        found = [self._values[image, method][metric] for image in self.images_with(metric)]
        return sum(found) / len(found) if found else None


@dataclass(frozen=True)
class Crop:
    """A detail, chosen where the methods differ most, as PNG files by method (and `HR`).

    `box` is (left, top, right, bottom) in pixels of the result. `differences` holds the absolute
    difference from the reference, amplified for the eye, by method.
    """

    box: tuple[int, int, int, int]
    pictures: dict[str, bytes]
    differences: dict[str, bytes]


@dataclass(frozen=True)
class Visual:
    """What a page shows of one picture: whole pictures (WebP or PNG) by method, and a detail."""

    dataset: str
    scale: int
    image: str
    size: tuple[int, int]
    pictures: dict[str, bytes]
    crop: Crop
