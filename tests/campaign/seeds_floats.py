"""Floating-point samples and deep pictures: OpenEXR, Radiance HDR, FITS, TIFF, JPEG XL, raw."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import imagecodecs
import numpy as np
import tifffile

from tests.helpers.floats import exr, exr_of, fits, hdr
from tests.helpers.raws import dng

Maker = Callable[[Random], bytes]
_EXIF = b"MM\0*" + struct.pack(">IHHHIHHI", 8, 1, 0x0112, 3, 1, 6, 0, 0)


def _light(rng: Random, channels: int) -> np.ndarray:
    """(H, W, C) float32: noise from 0 to a few times white, sides 5 to 24."""
    draw = np.random.default_rng(rng.getrandbits(32))
    shape = (rng.randint(5, 24), rng.randint(5, 24), channels)
    return (draw.random(shape) * rng.choice((0.9, 30))).astype(np.float32)


def _exr(channels: int, kind: type, rng: Random) -> bytes:
    pixels = _light(rng, channels).astype(kind)
    at = rng.randint(-3, 3), rng.randint(-3, 3)
    return exr_of(pixels, at=at, display=rng.choice((None, (0, 0, 9, 9))))


def _exr_of_renders(rng: Random) -> bytes:
    """With a channel beside the colour."""
    planes = _light(rng, 5)
    names = ("R", "G", "B", "A", "depth.Z")
    return exr({name: np.ascontiguousarray(planes[..., n]) for n, name in enumerate(names)})


def _hdr(rng: Random) -> bytes:
    return hdr(_light(rng, 3), rng.choice(("-Y", "+Y")), rng.choice(("-X", "+X")))


def _fits(kind: str, rng: Random) -> bytes:
    shape = (*rng.choice(((), (3,))), rng.randint(5, 24), rng.randint(5, 24))
    draw = np.random.default_rng(rng.getrandbits(32))
    samples = (draw.random(shape) * 100).astype(kind)
    return fits(samples, BZERO=1.5, BSCALE=2.0) + rng.choice((b"", fits(samples, first=False)))


def _tiff(kind: str, rng: Random) -> bytes:
    layouts: tuple[dict[str, Any], ...] = ({}, {"compression": "zlib", "predictor": True})
    channels = rng.choice((1, 3))
    pixels = _light(rng, channels).astype(kind)
    target = io.BytesIO()
    tifffile.imwrite(
        target,
        pixels[..., 0] if channels == 1 else pixels,
        photometric="minisblack" if channels == 1 else "rgb",
        byteorder=rng.choice("<>"),
        **rng.choice((*layouts, {"tile": (16, 16)})),
    )
    return target.getvalue()


def _jxl(kind: type, channels: int, options: dict[str, Any], rng: Random) -> bytes:
    pixels = _light(rng, channels)
    if kind is not np.float32:
        pixels = (pixels.clip(0, 1) * np.iinfo(kind).max).astype(kind)
    flat = pixels[..., 0] if channels == 1 else pixels
    content = bytes(imagecodecs.jpegxl_encode(flat, **options))
    if not options.get("usecontainer"):
        return content
    body = bytes(4) + _EXIF
    return content + struct.pack(">I4s", 8 + len(body), b"Exif") + body


def _dng(rng: Random) -> bytes:
    return dng(rng.randint(1, 8))


_EXACT = {"lossless": True}
EXR: tuple[Maker, ...] = (
    *(partial(_exr, count, kind) for count in (1, 3, 4) for kind in (np.float16, np.float32)),
    _exr_of_renders,
)
HDR: tuple[Maker, ...] = (_hdr,)
FITS: tuple[Maker, ...] = tuple(partial(_fits, kind) for kind in ("u1", "i2", "i4", "f4", "f8"))
FLOAT_TIFF: tuple[Maker, ...] = tuple(partial(_tiff, kind) for kind in ("f2", "f4", "f8"))
JXL: tuple[Maker, ...] = (
    *(partial(_jxl, np.uint8, count, _EXACT) for count in (1, 3, 4)),
    *(partial(_jxl, np.uint16, count, {**_EXACT, "usecontainer": True}) for count in (1, 3)),
    partial(_jxl, np.uint8, 3, {"level": 90}),
    partial(_jxl, np.float32, 3, _EXACT),
)
RAW: tuple[Maker, ...] = (_dng,)
