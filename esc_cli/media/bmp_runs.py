"""Runs of BMP (RLE8, RLE4 and RLE24 of OS/2), which may leave out rows and ends of rows.

Pillow takes what is left out for missing, and what leads out of the picture for the end of a row.
"""

from __future__ import annotations

_END_OF_ROW, _END, _MOVE = 0, 1, 2
"""What a second byte means behind a first one of 0; more than that are so many plain pixels."""


def unpack(packed: bytes, width: int, height: int, bits: int) -> bytes:
    """The rows in the file's order, padded to four bytes, pixels of `bits`; 0 where none is told.

    What breaks off, or leads out of the picture, ends the rows there, so that some are missing.
    """
    pixel_bytes = 3 if bits == 24 else 1
    row_bytes = (width * pixel_bytes + 3) // 4 * 4
    made = bytearray(row_bytes * height)
    end = _fill(made, packed, (width, height, bits), row_bytes)
    if bits != 4:
        return bytes(made[:end])
    return _in_fours(made[:end], width, row_bytes)


def _fill(made: bytearray, packed: bytes, shape: tuple[int, int, int], row_bytes: int) -> int:
    """Fill the rows; how many bytes of them are known, all of them where nothing is missing."""
    width, height, bits = shape
    pixel_bytes = 3 if bits == 24 else 1
    x = y = at = 0
    while at + 1 < len(packed) and y < height:
        count, second = packed[at], packed[at + 1]
        at += 2
        if count == 0 and second == _END:
            return len(made)
        if count == 0 and second == _END_OF_ROW:
            x, y = 0, y + 1
            continue
        if count == 0 and second == _MOVE:
            if at + 1 >= len(packed) or x + packed[at] > width or y + packed[at + 1] >= height:
                break
            x, y, at = x + packed[at], y + packed[at + 1], at + 2
            continue
        run, at, is_whole = _run(packed, at, bits)
        fitting = run[: (width - x) * pixel_bytes]
        start = y * row_bytes + x * pixel_bytes
        made[start : start + len(fitting)] = fitting
        x += len(fitting) // pixel_bytes
        if not is_whole:
            break
    is_complete = y >= height or (y == height - 1 and x >= width)
    return len(made) if is_complete else y * row_bytes + x * pixel_bytes


def _run(packed: bytes, at: int, bits: int) -> tuple[bytes, int, bool]:
    """(pixels, where the next run begins, whether they are all there), `at` behind two bytes."""
    count, second = packed[at - 2], packed[at - 1]
    if count and bits == 24:
        colour = packed[at - 1 : at + 2]
        return colour * count, at + 2, len(colour) == 3
    if count:
        pair = bytes((second >> 4, second & 15)) if bits == 4 else bytes((second,))
        return (pair * count)[:count], at, True
    size = (second * bits + 7) // 8
    stored = packed[at : at + size]
    whole = len(stored) == size
    if bits == 4:
        stored = bytes(half for byte in stored for half in (byte >> 4, byte & 15))[:second]
    return stored, at + size + size % 2, whole


def _in_fours(indices: bytearray, width: int, row_bytes: int) -> bytes:
    """Rows of a byte a pixel, the last maybe cut, in four bits."""
    packed_bytes = (width + 7) // 8 * 4
    rows = []
    for start in range(0, len(indices), row_bytes):
        row = indices[start : start + row_bytes][:width]
        row += bytes(len(row) % 2)
        pairs = bytes(high << 4 | low for high, low in zip(row[::2], row[1::2], strict=True))
        whole = start + row_bytes <= len(indices)
        rows.append(pairs.ljust(packed_bytes, b"\0") if whole else pairs)
    return b"".join(rows)
