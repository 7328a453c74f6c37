"""A picture of a dataset, read for an evaluation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from esc_cli.errors import ReadError
from esc_cli.evaluation import protocol
from esc_cli.evaluation.datasets import Pair
from esc_cli.media.rgb import read_rgb
from esc_cli.tasks.evaluate.methods import to_tensor


@dataclass
class Sample:
    """One picture of a set: HR cropped to a multiple of the scale, if any, and LR to enlarge.

    Both are (3, H, W) uint8. `size` is that of the result, (height, width).
    """

    pair: Pair
    hr: Tensor | None
    lr: Tensor
    size: tuple[int, int]


@dataclass(frozen=True)
class Reading:
    """How pictures are read; without `reference` every picture is LR."""

    max_pixels: int
    reference: bool

    def roles(self, pair: Pair) -> tuple[Path | None, Path | None]:
        """Which file is HR and which LR."""
        if self.reference:
            return pair.hr, pair.lr
        return None, pair.lr or pair.hr

    def read(self, path: Path | None) -> Tensor | None:
        """(3, H, W) uint8, or None without a path."""
        return None if path is None else to_tensor(read_rgb(path, self.max_pixels))


def read_sample(pair: Pair, scale: int, how: Reading, seconds: dict[str, float]) -> Sample:
    """Read a pair and make what lacks; adds to the seconds of "decode" and "degrade".

    Raises ReadError, also when HR and LR do not fit each other, and UnsupportedError.
    """
    start = time.perf_counter()
    hr_path, lr_path = how.roles(pair)
    hr, lr = how.read(hr_path), how.read(lr_path)
    hr = None if hr is None else protocol.crop_to_multiple(hr, scale)
    middle = time.perf_counter()
    seconds["decode"] += middle - start
    if lr is None:
        if hr is None or 0 in hr.shape:
            raise ReadError(f"too small for scale {scale}, or no picture", hr_path)
        lr = protocol.degrade(hr, scale)
        seconds["degrade"] += time.perf_counter() - middle
    size = (lr.shape[-2] * scale, lr.shape[-1] * scale)
    if hr is not None and tuple(hr.shape[-2:]) != size:
        what = f"HR is {hr.shape[-1]} x {hr.shape[-2]}, LR times {scale} {size[1]} x {size[0]}"
        raise ReadError(what, lr_path)
    return Sample(pair, hr, lr, size)
