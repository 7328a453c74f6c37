"""Raw files of a camera that does not exist."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import tifffile

SIZE = 96, 64
"""(width, height) before it is turned."""
_MATRIX = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)  # the identity, in fractions


def mosaic() -> np.ndarray:
    """(64, 96) uint16, of 14 bits: RGGB, its left upper quarter brighter than the rest."""
    pixels = np.full(SIZE[::-1], 4000, np.uint16)
    pixels[0::2, 0::2], pixels[1::2, 1::2] = 2000, 1000
    pixels[:32, :48] *= 2
    return pixels


def dng(
    turned: int = 1,
    neutral: tuple[int, ...] | None = (1, 2, 1, 1, 1, 4),
    further: tuple[tuple[int, str, int, Any, bool], ...] = (),
    **more: Any,
) -> bytes:
    """A DNG that is to be turned (1 to 8), its white as fractions of the sensor's three colours.

    further: tags as tifffile takes them.
    """
    tags = [
        *further,
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNGVersion
        (50707, "B", 4, (1, 1, 0, 0), True),  # DNGBackwardVersion
        (50708, "s", 0, "Maker Camera", True),  # UniqueCameraModel
        (33421, "H", 2, (2, 2), True),  # CFARepeatPatternDim
        (33422, "B", 4, (0, 1, 1, 2), True),  # CFAPattern: RGGB
        (50714, "H", 1, 0, True),  # BlackLevel
        (50717, "H", 1, 16383, True),  # WhiteLevel
        (50721, "2i", 9, _MATRIX, True),  # ColorMatrix1
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Camera", True),
        (274, "H", 1, turned, True),
        (700, "B", 4, b"<x/>", True),  # XMP
    ]
    if neutral is not None:
        tags.append((50728, "2I", 3, neutral, True))  # AsShotNeutral
    target = io.BytesIO()
    options = {"photometric": "cfa", "extratags": tags, "metadata": None, "software": False}
    tifffile.imwrite(target, mosaic(), **(options | more))
    return target.getvalue()
