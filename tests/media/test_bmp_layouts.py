"""BMP of OS/2, of the clipboard, with runs that leave out pixels, and with unusual masks."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6
PALETTE = np.random.default_rng(1).integers(0, 256, (16, 4), np.uint8)
PALETTE[:, 3] = 0


def bmp(stored: bytes, bits: int, kind: int = 0, size: int = 40, beside: bytes = b"") -> bytes:
    """A BMP of 7 x 4 pixels; `beside` follows the first 40 bytes of the header."""
    head = struct.pack("<IiiHHIIiiII", size, 7, 4, 1, bits, kind, len(stored), 0, 0, 0, 0)
    if bits <= 8:
        head = head[:32] + struct.pack("<II", 16, 0)
    head = head[:size] if size < 40 else (head + beside).ljust(size, b"\0")
    palette = PALETTE.tobytes() if bits <= 8 else b""
    start = 14 + len(head) + len(palette)
    file = struct.pack("<IHHI", start + len(stored), 0, 0, start)
    return b"BM" + file + head + palette + stored


def coloured(indices: np.ndarray) -> np.ndarray:
    return PALETTE[indices][..., 2::-1]


# In the order of the file: the last row first.
ROWS = {
    8: (
        b"\7\5\0\0"  # a run
        + b"\0\5\1\2\3\4\5\0\2\6\0\0"  # five plain ones and a byte of padding
        + b"\2\7\0\0"  # an early end of the row
        + b"\0\2\3\0\4\x09\0\1"  # three pixels on
    ),
    4: (b"\7\x55\0\0" + b"\0\5\x12\x34\x50\0\2\x66\0\0" + b"\2\x77\0\0" + b"\0\2\3\0\4\x99\0\1"),
}
INDICES = np.array(
    [[0, 0, 0, 9, 9, 9, 9], [7, 7, 0, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6, 6], [5, 5, 5, 5, 5, 5, 5]]
)


@pytest.mark.parametrize("bits", [8, 4])
def test_what_runs_leave_out_has_the_first_colour(bits):
    content = bmp(ROWS[bits], bits, kind={8: 1, 4: 2}[bits])
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], coloured(INDICES))


@pytest.mark.parametrize("bits", [8, 4])
def test_rows_that_the_end_of_the_bitmap_leaves_out_are_no_damage(bits):
    content = bmp(ROWS[bits][:4] + b"\0\1", bits, kind={8: 1, 4: 2}[bits])
    wanted = coloured(np.where(np.arange(4)[:, None] == 3, INDICES, 0))
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], wanted)


@pytest.mark.parametrize(
    "runs",
    [
        ROWS[8][:-4],  # cut short
        b"\7\5\0\0\3\4\0\2\x05\0\4\4\0\1",  # a step out of the row
        b"\7\5\0\0\3\4\0\2\0\x03\4\4\0\1",  # a step out of the picture
    ],
)
def test_runs_that_break_off_or_lead_out_of_the_picture_are_a_failure(runs):
    content = bmp(runs, 8, kind=1)
    with pytest.raises(ReadError, match="cut short or broken"):
        decode(content, LIMIT)
    kept = decode(content, LIMIT, allow_truncated=True)
    np.testing.assert_array_equal(kept.frames[0][3], coloured(INDICES[3]))


def test_runs_of_colours_are_read():
    runs = b"\7\1\2\3\0\0" + b"\0\3" + bytes(range(10, 19)) + b"\0" + b"\4\7\x08\x09\0\0\0\1"
    content = bmp(runs, 24, kind=4, size=64)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    rows = picture.frames[0]
    assert rows[3].tolist() == [[3, 2, 1]] * 7
    assert rows[2].tolist() == [[12, 11, 10], [15, 14, 13], [18, 17, 16], *[[9, 8, 7]] * 4]
    assert not rows[:2].any()


@pytest.mark.parametrize("size", [16, 24, 42, 60, 64])
def test_headers_of_os2_may_end_early(size):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 7, 3), np.uint8)
    stored = b"".join(row.tobytes() + bytes(3) for row in pixels[::-1, :, ::-1])
    content = bmp(stored, 24, size=size)
    assert decode(content, LIMIT).header == probe(content, LIMIT)
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], pixels)


@pytest.mark.parametrize(
    ("bits", "kind", "masks"),
    [(32, 0, ()), (32, 3, (0xFF0000, 0xFF00, 0xFF)), (32, 3, (0xFF, 0xFF00, 0xFF0000)), (8, 0, ())],
)
def test_a_bitmap_of_the_clipboard_has_no_header_of_a_file(bits, kind, masks):
    stored = np.random.default_rng(0).integers(0, 16, 4 * 7 * bits // 8, np.uint8)
    stored = b"".join(row.ljust(-(-len(row) // 4) * 4, b"\0") for row in
                      (bytes(part) for part in stored.reshape(4, -1)))  # fmt: skip
    whole = bmp(stored, bits, kind, beside=struct.pack(f"<{len(masks)}I", *masks))
    picture = decode(whole[14:], LIMIT)
    assert picture.header == probe(whole[14:], LIMIT)
    np.testing.assert_array_equal(picture.frames[0], decode(whole, LIMIT).frames[0])
    with pytest.raises(ReadError, match="cut short"):
        decode(whole[14:-8], LIMIT)


def test_a_mask_for_alpha_counts_where_no_other_mask_does():
    pixels = np.random.default_rng(0).integers(0, 256, (4, 7, 4), np.uint8)
    stored = pixels[::-1, :, [2, 1, 0, 3]].tobytes()
    masks = struct.pack("<4I", 0, 0, 0, 0xFF000000)
    np.testing.assert_array_equal(
        decode(bmp(stored, 32, size=124, beside=masks), LIMIT).frames[0], pixels
    )
    plain = decode(bmp(stored, 32), LIMIT)  # the fourth byte means nothing without one
    np.testing.assert_array_equal(plain.frames[0], pixels[..., :3])


def test_a_colour_without_a_mask_is_black():
    stored = np.random.default_rng(0).integers(0, 2**16, (4, 8)).astype("<u2")
    masks = struct.pack("<3I", 0xFF00, 0xFF, 0)
    frame = decode(bmp(stored.tobytes(), 16, kind=3, beside=masks), LIMIT).frames[0]
    wanted = np.stack([stored >> 8, stored & 255, 0 * stored], -1)[::-1, :7]
    np.testing.assert_array_equal(frame, wanted)


def test_an_array_of_bitmaps_is_refused_by_name():
    content = b"BA" + bytes(12) + bmp(bytes(96), 24)
    with pytest.raises(UnsupportedError, match="arrays of bitmaps"):
        probe(content, LIMIT)
