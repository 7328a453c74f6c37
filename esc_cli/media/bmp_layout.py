"""BMP whose headers, palettes or depths Pillow does not know, rewritten to what it knows.

Pixels of two bits are of Windows CE; short headers and runs of colours (RLE24) of OS/2.
"""

from __future__ import annotations

import struct

import numpy as np

from esc_cli.media.bmp_runs import unpack

_FILE_BYTES = 14
_HEAD_BYTES = 14 + 56
_HEADERS = frozenset((40, 52, 56, 64, 108, 124))  # bytes, by which Pillow knows them
_BARE = frozenset((40, 108, 124))
_DEPTHS = frozenset((1, 4, 8, 16, 24, 32))
_BIT_FIELDS = 3
_RUNS_OF_OS2 = 4
_OS2 = 64  # bytes of the second header of OS/2, of which writers leave the end out


def is_bare(head: bytes) -> bool:
    """Whether a header stands alone, without that of a file, as the clipboard has it (DIB)."""
    if len(head) < 40:
        return False
    size, width, height, planes, bits, kind = struct.unpack_from("<IiiHHI", head)
    known = size in _BARE and planes == 1 and bits in _DEPTHS and kind <= _BIT_FIELDS
    return known and width > 0 and height != 0


def with_file_header(content: bytes) -> bytes:
    """The file, with the header of one where it has none."""
    if content.startswith(b"BM") or not is_bare(content):
        return content
    size, bits, kind, colours = struct.unpack_from("<I10xHI12xI", content)
    masks = 12 if kind == _BIT_FIELDS and size == 40 else 0
    if bits <= 8:
        colours = colours or 1 << bits
    start = _FILE_BYTES + size + masks + 4 * min(colours, 256)
    return b"BM" + struct.pack("<IHHI", min(len(content) + 14, 2**32 - 1), 0, 0, start) + content


def as_pillow_reads(content: bytes) -> bytes:
    """The same picture as a file with a whole header, a palette that fits, and no two bits."""
    content = _with_whole_header(with_file_header(content))
    if len(content) < _HEAD_BYTES:
        return content
    return _with_four_bits(_with_fitting_palette(_plain(content)))


def _with_whole_header(content: bytes) -> bytes:
    """The same file, its header filled up to a length that Pillow knows."""
    start, size = struct.unpack_from("<II", content.ljust(18, b"\0"), 10)
    if not 16 <= size <= _OS2 or size in _HEADERS or len(content) < _FILE_BYTES + size:
        return content
    head = content[18 : _FILE_BYTES + size].ljust(_OS2 - 4, b"\0")
    moved = struct.pack("<II", min(start + _OS2 - size, 2**32 - 1), _OS2)
    return content[:10] + moved + head + content[_FILE_BYTES + size :]


def without_runs(content: bytes) -> bytes:
    """The same picture unpacked, and cut where its runs break off; the content if it has none."""
    content = _with_whole_header(with_file_header(content))
    if len(content) < _HEAD_BYTES:
        return content
    start, _, width, height, _, bits = struct.unpack_from("<IIiiHH", content, 10)
    if not _has_runs(content) or width <= 0:
        return content
    rows = unpack(content[start:], width, abs(height), bits)
    return _plain(content)[:start].ljust(start, b"\0") + rows


def _has_runs(content: bytes) -> bool:
    """Whether the pixels are packed as RLE8, RLE4 or RLE24, which a header of OS/2 alone has."""
    (size,), (bits, kind) = struct.unpack_from("<I", content, 14), content[28:31:2]
    runs = (8, 1), (4, 2), *(((24, _RUNS_OF_OS2),) if size == _OS2 else ())
    return (bits, kind) in runs and not any(content[31:34])


def _plain(content: bytes) -> bytes:
    """The header without a word on packing, if it has runs that Pillow does not know."""
    return content[:30] + bytes(4) + content[34:] if _has_runs(content) else content


def _with_four_bits(content: bytes) -> bytes:
    start, size, width, height = struct.unpack_from("<IIii", content, 10)
    bits, kind = struct.unpack_from("<HI", content, 28)
    colours = struct.unpack_from("<I", content, 46)[0] or 4
    if size < 40 or bits != 2 or kind != 0 or width <= 0 or start < 14 + size + 4 * colours:
        return content
    row = (2 * width + 31) // 32 * 4
    rows = min(abs(height), (len(content) - start) // row)  # that are there
    stored = np.frombuffer(content, np.uint8, rows * row, start).reshape(rows, row)
    pairs = np.stack([stored >> shift & 3 for shift in (6, 4, 2, 0)], axis=-1).reshape(rows, -1)
    wide = np.zeros((rows, 2 * ((4 * width + 31) // 32 * 4)), np.uint8)
    wide[:, :width] = pairs[:, :width]
    packed = wide[:, ::2] << 4 | wide[:, 1::2]
    head = content[:28] + struct.pack("<H", 4) + content[30:46] + struct.pack("<I", colours)
    return head + content[50:start] + packed.tobytes()


def _with_fitting_palette(content: bytes) -> bytes:
    """The same file, stating no more colours than its pixels can have; Pillow refuses more."""
    size, bits = struct.unpack_from("<I10xH", content, 14)
    (colours,) = struct.unpack_from("<I", content, 46)
    if size < 40 or bits not in (1, 2, 4, 8) or colours <= 1 << bits:
        return content
    return content[:46] + struct.pack("<I", 1 << bits) + content[50:]
