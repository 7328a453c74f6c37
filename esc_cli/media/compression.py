"""How much of a picture its file has lost, told from the file alone."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from esc_cli.media.jxl import is_lossless
from esc_cli.media.picture import Header
from esc_cli.media.quiet_decoders import quiet

_LOSSY = {"AVIF", "HEIF", "JXL"}


@dataclass(frozen=True)
class Compression:
    """`quality` (1 to 100): of a JPEG. `bits_per_pixel`: of a file that another lossy codec wrote.

    Both None for a file that lost nothing, as far as it tells.
    """

    quality: float | None = None
    bits_per_pixel: float | None = None


def compression_of(content: bytes, header: Header) -> Compression:
    """What a picture file tells of its compression; it has been decoded before, and is whole."""
    if header.format == "JPEG":
        quiet()
        with Image.open(io.BytesIO(content)) as image:
            tables = getattr(image, "quantization", None)
        return Compression(quality=jpeg_quality(tables[min(tables)]) if tables else None)
    if header.format == "JXL" and is_lossless(content):
        return Compression()
    if header.format in _LOSSY or (header.format == "WEBP" and not _is_lossless_webp(content)):
        pixels = header.width * header.height * header.frames
        return Compression(bits_per_pixel=8 * len(content) / pixels)
    return Compression()


def _is_lossless_webp(content: bytes) -> bool:
    """Whether the first picture in the container (RFC 9649) is of the lossless kind."""
    place = 12
    while place + 8 <= len(content):
        kind = content[place : place + 4]
        if kind in {b"VP8L", b"VP8 "}:
            return kind == b"VP8L"
        size = int.from_bytes(content[place + 4 : place + 8], "little")
        # A frame of an animation holds the chunks of its picture behind 16 bytes of its own.
        place += 8 + (16 if kind == b"ANMF" else size + size % 2)
    return False


LUMA_STEPS = 3688
"""The sum of the steps of ITU-T T.81, table K.1: quality 50 of the Independent JPEG Group."""


def jpeg_quality(luma_table: Sequence[int]) -> float:
    """The quality, 1 to 100, whose steps are as coarse as those of a table of 64, in any order.

    The Independent JPEG Group multiplies table K.1 by 50 / quality below 50 and by 2 - quality / 50
    above. For other tables, of cameras and of Photoshop, the ratio of the sums is taken, so that
    the result is the quality that loses as much.
    """
    percent = 100 * sum(luma_table) / LUMA_STEPS
    quality = 100 - percent / 2 if percent <= 100 else 5000 / percent
    return min(100.0, max(1.0, quality))
