"""Pixels through a lossy codec and back, in memory: what saving a picture does to it."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
"""(H, W, 3) uint8, R G B order."""

Subsampling = Literal["4:2:0", "4:4:4"]
WEBP_METHOD = 2
"""Effort of libwebp, 0 to 6: the least whose artefacts look like those of the default, 4."""


def through_jpeg(pixels: Pixels, quality: int, subsampling: Subsampling = "4:2:0") -> Pixels:
    """After libjpeg at a quality of 1 to 100; 8x8 blocks begin at the top left corner."""
    return _through(pixels, "JPEG", quality=quality, subsampling=subsampling)


def through_webp(pixels: Pixels, quality: int) -> Pixels:
    """After lossy WebP at a quality of 0 to 100."""
    return _through(pixels, "WEBP", quality=quality, method=WEBP_METHOD)


def _through(pixels: Pixels, kind: str, **settings: int | str) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(stream, kind, **settings)
    stream.seek(0)
    with Image.open(stream) as decoded:
        return np.asarray(decoded.convert("RGB"))
