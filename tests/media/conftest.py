"""Real files made on the spot: gradients in every kind of pixel, and a PNG writer for odd ones."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Save = Callable[..., bytes]


@pytest.fixture
def rgb() -> NDArray[np.uint8]:
    """(20, 30, 3): a smooth gradient without symmetry."""
    rows, columns = np.mgrid[0:20, 0:30]
    return np.stack([columns * 8, rows * 12, rows + columns * 4], axis=2).astype(np.uint8)


@pytest.fixture
def rgba(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(20, 30, 4): the gradient with alpha from 0 to 232."""
    return np.dstack([rgb, rgb[..., 0]])


@pytest.fixture
def dark16() -> NDArray[np.uint16]:
    """(20, 30, 4): 16 bits, no value over 200, so that only the type says that it is 16 bit."""
    return np.arange(2400, dtype=np.uint16).reshape(20, 30, 4) % 200


@pytest.fixture
def save() -> Save:
    def saved(pixels: Any, format_name: str, **options: Any) -> bytes:
        image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
        target = io.BytesIO()
        image.save(target, format_name, **options)
        return target.getvalue()

    return saved


@pytest.fixture
def chunk() -> Callable[[bytes, bytes], bytes]:
    def made(kind: bytes, payload: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + payload))
        return struct.pack(">I", len(payload)) + kind + payload + checksum

    return made


@pytest.fixture
def raw_png(chunk: Callable[[bytes, bytes], bytes]) -> Callable[..., bytes]:
    """A PNG of given depth and colour type; `rows` are packed, each behind its filter byte."""

    def made(
        size: tuple[int, int], depth: int, colour: int, rows: bytes, extra: bytes = b""
    ) -> bytes:
        header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, 0)
        body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
        return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")

    return made
