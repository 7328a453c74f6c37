"""PNG in every colour type, depth and interlacing, and animated; and its checksums put right."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from random import Random

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
"""Bits that each colour type may have (PNG specification, table 11.1)."""
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2))
_ADAM7 = (*_PASSES, (0, 1, 1, 2))
"""(x, y, step in x, step in y) of each pass."""


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk with its length and checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + payload))
    return struct.pack(">I", len(payload)) + kind + payload + checksum


def png(colour: int, depth: int, interlaced: bool, rng: Random) -> bytes:
    """A picture of random samples, some with a colour key, a text or coded colour."""
    width, height = rng.randint(1, 20), rng.randint(1, 20)
    levels = 2 ** (16 if depth == 16 else depth)
    samples = np.random.default_rng(rng.getrandbits(32)).integers(
        0, levels, (height, width, _CHANNELS[colour])
    )
    steps = _ADAM7 if interlaced else ((0, 0, 1, 1),)
    passes = (samples[y::down, x::across] for x, y, across, down in steps)
    rows = b"".join(_rows(part, depth) for part in passes if part.size)
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, int(interlaced))
    palette = chunk(b"PLTE", rng.randbytes(3 * levels)) if colour == 3 else b""
    extra = _extra(colour, levels, rng)
    body = chunk(b"IHDR", head) + palette + extra + chunk(b"IDAT", zlib.compress(rows))
    return SIGNATURE + body + chunk(b"IEND", b"")


def _rows(samples: np.ndarray, depth: int) -> bytes:
    """Each row behind a filter byte of none."""
    if depth == 16:
        packed = samples.astype(">u2").reshape(len(samples), -1).view(np.uint8)
    else:
        flat = samples.astype(np.uint8).reshape(len(samples), -1, 1)
        packed = np.packbits(
            np.unpackbits(flat, axis=2)[..., 8 - depth :].reshape(len(flat), -1), 1
        )
    return b"".join(b"\0" + row.tobytes() for row in packed)


def _extra(colour: int, levels: int, rng: Random) -> bytes:
    keys = {0: struct.pack(">H", levels - 1), 2: struct.pack(">3H", 1, 2, 3), 3: b"\0\x80"}
    wanted = [
        chunk(b"tRNS", keys[colour]) if colour in keys else b"",
        chunk(b"tEXt", b"Comment\0drawn"),
        chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"drawn")),
        chunk(b"cICP", b"\x09\x10\x00\x01"),
        chunk(b"pHYs", struct.pack(">IIB", 3000, 3000, 1)),
    ]
    return b"".join(one for one in wanted if rng.random() < 0.3)


def apng(mode: str, rng: Random) -> bytes:
    """An animation whose frames differ in place and disposal."""
    size = rng.randint(5, 20), rng.randint(5, 20)
    frames = []
    for _ in range(rng.randint(2, 4)):
        frame = Image.new(mode, size)
        frame.putpixel(
            (rng.randrange(size[0]), rng.randrange(size[1])), (200, 90, 30, 120)[: len(mode)]
        )
        frames.append(frame)
    target = io.BytesIO()
    options = {"disposal": rng.randint(0, 2), "blend": rng.randint(0, 1)}
    frames[0].save(target, "PNG", save_all=True, append_images=frames[1:], duration=40, **options)
    return target.getvalue()


def with_checksums(content: bytes) -> bytes:
    """The same with the checksum of every chunk put right, so that damage gets behind them."""
    at, parts = len(SIGNATURE), [content[: len(SIGNATURE)]]
    while at + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        if at + 12 + length > len(content):
            break
        body = content[at + 4 : at + 8 + length]
        parts.append(content[at : at + 8 + length] + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join((*parts, content[at:]))


MAKERS: tuple[Callable[[Random], bytes], ...] = (
    *(
        partial(png, colour, depth, interlaced)
        for colour, depths in DEPTHS.items()
        for depth in depths
        for interlaced in (False, True)
    ),
    *(partial(apng, mode) for mode in ("RGB", "RGBA") for _ in range(3)),
)
