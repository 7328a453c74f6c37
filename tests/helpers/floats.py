"""Files of floating-point samples, written by hand: OpenEXR, Radiance HDR, FITS."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_BLOCK = 2880
_BITPIX = {"u1": 8, "i2": 16, "i4": 32, "i8": 64, "f4": -32, "f8": -64}


def light(channels: int = 3, size: tuple[int, int] = (30, 20)) -> np.ndarray:
    """(H, W, C) float32: a gradient from -0.125 to about 12, exact in half floats."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    planes = [(rows * (n + 1) + columns * 8) / 16 - 0.125 for n in range(channels)]
    return np.stack(planes, axis=2).astype(np.float16).astype(np.float32)


def exr(
    channels: Mapping[str, np.ndarray],
    at: tuple[int, int] = (0, 0),
    display: tuple[int, int, int, int] | None = None,
    attributes: Sequence[tuple[str, str, bytes]] = (),
) -> bytes:
    """Scan lines without compression (OpenEXR file layout), of planes (H, W) of float16 or float32.

    at: (x, y) of the first pixel. display: (left, top, right, bottom), all inside.
    """
    names = sorted(channels)
    height, width = channels[names[0]].shape
    data = (*at, at[0] + width - 1, at[1] + height - 1)
    kinds = {"float16": 1, "float32": 2}
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iB3xii", kinds[channels[name].dtype.name], 0, 1, 1)
        for name in names
    )
    fields = [
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", b"\0"),
        ("dataWindow", "box2i", struct.pack("<4i", *data)),
        ("displayWindow", "box2i", struct.pack("<4i", *(display or data))),
        ("lineOrder", "lineOrder", b"\0"),
        ("pixelAspectRatio", "float", struct.pack("<f", 1)),
        ("screenWindowCenter", "v2f", struct.pack("<2f", 0, 0)),
        ("screenWindowWidth", "float", struct.pack("<f", 1)),
        *attributes,
    ]
    head = struct.pack("<II", 20000630, 2) + b"".join(
        f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
        for name, kind, value in fields
    )
    head += b"\0"
    lines = [b"".join(channels[name][row].tobytes() for name in names) for row in range(height)]
    size = 8 + len(lines[0])
    table = [len(head) + 8 * height + size * row for row in range(height)]
    body = (struct.pack("<ii", at[1] + row, len(line)) + line for row, line in enumerate(lines))
    return head + struct.pack(f"<{height}Q", *table) + b"".join(body)


def exr_of(pixels: np.ndarray, **more: Any) -> bytes:
    """An OpenEXR file of (H, W, C): Y, Y A, R G B or R G B A."""
    names = {1: "Y", 2: "YA", 3: "RGB", 4: "RGBA"}[pixels.shape[2]]
    planes = {name: np.ascontiguousarray(pixels[..., n]) for n, name in enumerate(names)}
    return exr(planes, **more)


def hdr(pixels: np.ndarray, rows: str = "-Y", columns: str = "+X", further: str = "") -> bytes:
    """A Radiance picture (H, W, 3), as it is stored, without runs; precise to 1/256 of a pixel."""
    height, width = pixels.shape[:2]
    _, exponents = np.frexp(pixels.max(axis=2))
    mantissas = np.ldexp(pixels, (8 - exponents)[..., None]).astype(np.uint8)
    stored = np.concatenate([mantissas, (exponents + 128)[..., None].astype(np.uint8)], axis=2)
    head = f"#?RADIANCE\n{further}FORMAT=32-bit_rle_rgbe\n\n{rows} {height} {columns} {width}\n"
    return head.encode() + stored.tobytes()


def fits(samples: np.ndarray, first: bool = True, **cards: Any) -> bytes:
    """The part of a FITS file that holds an array, whose last axis is the fastest."""
    stored = samples.astype(samples.dtype.newbyteorder(">"))
    start = ("SIMPLE", "T") if first else ("XTENSION", "'IMAGE   '")
    axes = [(f"NAXIS{n + 1}", side) for n, side in enumerate(samples.shape[::-1])]
    further = [] if first else [("PCOUNT", 0), ("GCOUNT", 1)]
    listed = [start, ("BITPIX", _BITPIX[samples.dtype.str[1:]]), ("NAXIS", samples.ndim)]
    lines = [
        f"{name:8}= {value!s:>20}" for name, value in (*listed, *axes, *further, *cards.items())
    ]
    text = "".join(line.ljust(80) for line in (*lines, "END")).encode()
    body = stored.tobytes()
    return text.ljust(-len(text) % _BLOCK + len(text)) + body.ljust(
        -len(body) % _BLOCK + len(body), b"\0"
    )
