"""PNG files with chunks of a test's own."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def chunk(kind: bytes, payload: bytes, whole: bool = True) -> bytes:
    """A chunk, its checksum wrong where it is not to be whole."""
    checksum = zlib.crc32(kind + payload) ^ (not whole)
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", checksum)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    """A small RGB picture, the chunks (kind, payload) behind its header."""
    target = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 90, 30)).save(target, "PNG")
    content = target.getvalue()
    added = b"".join(chunk(kind, payload) for kind, payload in chunks)
    return content[:33] + added + content[33:]
