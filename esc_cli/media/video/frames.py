"""What a decoded frame is: planes of samples as the file has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Plane: TypeAlias = NDArray[Any]
"""(rows, columns) uint8, or uint16 for more than 8 bits."""


@dataclass(frozen=True)
class RawFrame:
    """A frame as coded: `planes` as its layout says, `pts` and `duration` in the time base.

    `duration` is 0 when the file does not tell.
    """

    pts: int
    duration: int
    planes: tuple[Plane, ...]

    def same_pixels(self, other: RawFrame) -> bool:
        """Whether every sample is equal."""
        pairs = zip(self.planes, other.planes, strict=True)
        return all(np.array_equal(mine, its) for mine, its in pairs)
