"""TIFF: strips and tiles, compressions, planes, depths, pages, byte orders, BigTIFF."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import numpy as np
import tifffile
from PIL import Image

_LAYOUTS: tuple[dict[str, Any], ...] = (
    {},
    {"rowsperstrip": 3},
    {"tile": (16, 16)},
    {"planarconfig": "separate"},
    {"planarconfig": "separate", "tile": (16, 16)},
    {"byteorder": ">"},
    {"bigtiff": True},
    {"bigtiff": True, "byteorder": ">", "rowsperstrip": 2},
)
_COMPRESSIONS: tuple[dict[str, Any], ...] = (
    {},
    {"compression": "lzw"},
    {"compression": "lzw", "predictor": True},
    {"compression": "zlib"},
    {"compression": "zlib", "predictor": True},
    {"compression": "packbits"},
    {"compression": "zstd"},
    {"compression": "lzma"},
)


def tiff(dtype: type, channels: int, rng: Random) -> bytes:
    """One or several pages in a layout and a compression of chance."""
    layout, compression = rng.choice(_LAYOUTS), rng.choice(_COMPRESSIONS)
    shape = (rng.randint(5, 24), rng.randint(5, 24), channels)
    if channels == 1:
        shape = shape[:2]
        layout = {name: value for name, value in layout.items() if name != "planarconfig"}
    draw = np.random.default_rng(rng.getrandbits(32))
    file = {name: layout[name] for name in ("bigtiff", "byteorder") if name in layout}
    page = {name: value for name, value in layout.items() if name not in file}
    target = io.BytesIO()
    with tifffile.TiffWriter(target, **file) as writer:
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            samples = draw.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
            if page.get("planarconfig") == "separate":
                samples = np.moveaxis(samples, 2, 0)
            writer.write(
                samples,
                photometric="minisblack" if channels == 1 else "rgb",
                extrasamples=["unassalpha"] if channels == 4 else None,
                resolution=(300, 300),
                **page,
                **compression,
            )
    return target.getvalue()


def deep(rng: Random) -> bytes:
    """Samples of 3 to 15 bits, packed."""
    bits, channels = rng.choice((3, 5, 10, 12, 14)), rng.choice((1, 3))
    shape = (rng.randint(5, 24), rng.randint(5, 24), channels)
    draw = np.random.default_rng(rng.getrandbits(32))
    samples = draw.integers(0, 2**bits, shape).astype(np.uint8 if bits <= 8 else np.uint16)
    target = io.BytesIO()
    tifffile.imwrite(
        target,
        samples[..., 0] if channels == 1 else samples,
        photometric="minisblack" if channels == 1 else "rgb",
        bitspersample=bits,
    )
    return target.getvalue()


def by_pillow(mode: str, compression: str, rng: Random) -> bytes:
    """Kinds that fax machines, scanners and printers make."""
    width, height = rng.randint(5, 40), rng.randint(5, 24)
    drawn = Image.frombytes("RGB", (width, height), rng.randbytes(width * height * 3))
    target = io.BytesIO()
    drawn.convert(mode).save(target, "TIFF", compression=compression, dpi=(300, 300))
    return target.getvalue()


MAKERS: tuple[Callable[[Random], bytes], ...] = (
    *(partial(tiff, dtype, count) for dtype in (np.uint8, np.uint16) for count in (1, 3, 4)),
    *(partial(tiff, np.uint8, 3) for _ in range(6)),
    *(deep for _ in range(2)),
    *(partial(by_pillow, "1", name) for name in ("group3", "group4", "packbits")),
    *(partial(by_pillow, "RGB", name) for name in ("jpeg", "tiff_lzw")),
    *(partial(by_pillow, mode, "raw") for mode in ("P", "CMYK", "L")),
)
