"""BMP (BITMAPINFOHEADER and later) with bit fields (BI_BITFIELDS) and masks unknown to Pillow."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from esc_cli.media.bmp_layout import with_file_header
from esc_cli.media.picture import Frame, Truncation
from esc_cli.media.profiles import MOST_BYTES

_PLAIN = 0
_BIT_FIELDS = frozenset((3, 6))  # without and with a mask for alpha
_HEAD_BYTES = 14 + 56
_WITH_ALPHA = 56  # bytes of the header from which on it has a mask for alpha
_FILE_HEADER_BYTES, _VERSION_4, _VERSION_5 = 14, 108, 124
_EMBEDDED, _LINKED = b"DEBM", b"KNIL"  # MBED and LINK, as numbers
_USUAL = 0xFF0000, 0xFF00, 0xFF
# Pillow reads these, at (bits, R, G, B): 5-6-5, 5-5-5 and 8-8-8 in the usual order.
_OF_PILLOW = frozenset(
    (
        (16, 0xF800, 0x7E0, 0x1F),
        (16, 0x7C00, 0x3E0, 0x1F),
        (32, *_USUAL),
    )
)


@dataclass(frozen=True)
class BitFields:
    """Where the pixels start, how they are stored, and the masks of R, G, B and maybe alpha."""

    width: int
    height: int
    upside_down: bool
    bits: int
    start: int
    masks: tuple[int, ...]


def bit_fields(stream: BinaryIO) -> BitFields | None:
    """The layout if it is one of those, or has a mask for alpha, else None."""
    stream.seek(0)
    stored = stream.read(_HEAD_BYTES)
    stream.seek(0)
    head = with_file_header(stored)
    added = len(head) - len(stored)
    head = head.ljust(_HEAD_BYTES, b"\0")
    (start, size, width, height, _, bits, kind) = struct.unpack_from("<IIiiHHI", head, 10)
    if size < 40 or bits not in (16, 32) or width <= 0:
        return None
    has_alpha = size >= _WITH_ALPHA or kind == 6
    masks = struct.unpack_from("<4I", head, 54)[: 4 if has_alpha else 3]
    has_alpha = has_alpha and masks[3] > 0
    has_alpha_alone = size >= _VERSION_4 and has_alpha and not masks[3] & 0xFFFFFF
    if kind == _PLAIN and bits == 32 and has_alpha_alone:
        masks = (*_USUAL, masks[3])  # browsers see to this mask alone then
    elif kind not in _BIT_FIELDS:
        return None
    if not any(masks[:3]) or (not has_alpha and (bits, *masks[:3]) in _OF_PILLOW):
        return None
    start -= added
    return BitFields(width, abs(height), height > 0, bits, start, masks[: 4 if has_alpha else 3])


def profile(stream: BinaryIO) -> tuple[bytes | None, bool]:
    """(the ICC profile inside the file, whether it names one outside); the stream is at its start.

    Only headers of version 5 have such (BITMAPV5HEADER).
    """
    stream.seek(0)
    stored = stream.read(_FILE_HEADER_BYTES + _VERSION_5)
    head = with_file_header(stored)
    at = len(stored) - len(head) + _FILE_HEADER_BYTES
    (size,) = struct.unpack_from("<I", head.ljust(18, b"\0"), _FILE_HEADER_BYTES)
    icc, linked = None, False
    if size >= _VERSION_5 and len(head) >= _FILE_HEADER_BYTES + _VERSION_5:
        kind = head[_FILE_HEADER_BYTES + 56 :][:4]
        place, length = struct.unpack_from("<II", head, _FILE_HEADER_BYTES + 112)
        linked = kind == _LINKED
        if kind == _EMBEDDED:
            stream.seek(at + place)
            icc = stream.read(min(length, MOST_BYTES))
    stream.seek(0)
    return icc or None, linked


def frame(content: bytes, fields: BitFields, truncation: Truncation) -> Frame:
    """The (H, W, 3 or 4) pixels in uint8, each field scaled to it; what is missing is 0."""
    row_bytes = (fields.width * fields.bits // 8 + 3) // 4 * 4
    stored_bytes = content[fields.start :][: row_bytes * fields.height]
    if len(stored_bytes) < row_bytes * fields.height:
        truncation.found()
        stored_bytes = stored_bytes.ljust(row_bytes * fields.height, b"\0")
    rows = np.frombuffer(stored_bytes, np.uint8)
    stored = rows.reshape(fields.height, row_bytes).view(f"<u{fields.bits // 8}")
    stored = stored[:: -1 if fields.upside_down else 1, : fields.width].astype(np.uint32)
    return np.stack([_scaled(stored, mask) for mask in fields.masks], axis=-1)


def _scaled(stored: Frame, mask: int) -> Frame:
    if not mask:
        return np.zeros(stored.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    top = mask >> shift
    values = (stored & np.uint32(mask)).astype(np.uint64) >> np.uint64(shift)
    return ((values * 255 + top // 2) // top).astype(np.uint8)
