"""What a value of a metric means, and with how many decimals it is printed."""

from __future__ import annotations

import math
from dataclasses import dataclass

PSNR_DIGITS, SSIM_DIGITS = 2, 4
"""Decimals, as papers print them."""
VALIDATION_PSNR_DIGITS, VALIDATION_SSIM_DIGITS = 3, 4
"""Decimals while a network trains, where less is a difference."""
PROGRESS_DIGITS = 4
"""Decimals of every metric in the line of a picture that was just scored."""
ROUNDING = "rounded to 8 bits"
"""What happens to a result before it is measured."""


@dataclass(frozen=True)
class Metric:
    """A measure: `name` as in files ("psnr_y"), `label` for people ("PSNR (Y), dB").

    seeded: whether its values hang on random draws, which are the same in every run.
    """

    name: str
    label: str
    digits: int
    lower_is_better: bool = False
    seeded: bool = False

    def format(self, value: float | None) -> str:
        """The value with the metric's digits; a dash where there is none."""
        return "-" if value is None or math.isnan(value) else f"{value:.{self.digits}f}"


@dataclass(frozen=True)
class Measured:
    """What values of the full-reference `metrics`, by label, mean: how many pixels were cut off at
    each border, and on which channels they are, "Y" or "Y and RGB". Results are rounded to 8 bits
    first, see `ROUNDING`."""

    metrics: tuple[str, ...]
    border: int
    channels: str = "Y"

    @property
    def text(self) -> str:
        """In words, for the head of a table."""
        *first, last = self.metrics
        names = f"{', '.join(first)} and {last}" if first else last
        return f"{names} on {self.channels}, border {self.border}, {ROUNDING}"
