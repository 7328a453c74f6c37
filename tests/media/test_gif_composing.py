"""GIF frames as browsers show them: cleared, not covered, reaching over the canvas."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from esc_cli.errors import TooLargeError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6
PALETTE = bytes((255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255))
RED, GREEN, BLUE, CLEAR = [255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255], [0, 0, 0, 0]


def image(box, index, disposal=1, clear=None):
    """A frame of one colour; LZW codes of 3 bits with a clear code before each, so none grows."""
    control = struct.pack("<BHB", disposal << 2 | (clear is not None), 10, clear or 0)
    bits = "".join(f"{code:03b}"[::-1] for _ in range(box[2] * box[3]) for code in (4, index))
    bits += "101"
    bits = bits.ljust(-(-len(bits) // 8) * 8, "0")
    packed = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    blocks = b"".join(
        bytes([len(packed[at : at + 255])]) + packed[at : at + 255]
        for at in range(0, len(packed), 255)
    )
    place = struct.pack("<HHHHB", *box, 0)
    return b"!\xf9\x04" + control + b"\0," + place + b"\x02" + blocks + b"\0"


def gif(size, *images):
    """The background is palette entry 0, red, which nobody shows."""
    return b"GIF89a" + struct.pack("<HHBBB", *size, 0x81, 0, 0) + PALETTE + b"".join(images) + b";"


def colours(picture, number):
    """The four corners' colours of a frame, row by row."""
    frame = picture.frames[number]
    return [frame[y, x].tolist() for y in (0, -1) for x in (0, -1)]


def test_what_no_frame_covers_is_transparent():
    picture = decode(gif((4, 4), image((0, 0, 2, 2), 1)), LIMIT)
    assert picture.header == probe(gif((4, 4), image((0, 0, 2, 2), 1)), LIMIT)
    assert colours(picture, 0) == [GREEN, CLEAR, CLEAR, CLEAR]


def test_what_a_frame_clears_is_transparent():
    content = gif(
        (4, 4), image((0, 0, 4, 4), 1), image((0, 0, 2, 2), 2, disposal=2), image((2, 2, 2, 2), 2)
    )
    picture = decode(content, LIMIT)
    assert picture.header.channels == 4
    assert colours(picture, 1) == [BLUE, GREEN, GREEN, GREEN]
    assert colours(picture, 2) == [CLEAR, GREEN, GREEN, BLUE]


def test_a_frame_that_is_taken_back_leaves_what_was_there():
    content = gif(
        (4, 4), image((0, 0, 4, 4), 1), image((0, 0, 2, 2), 2, disposal=3), image((2, 2, 2, 2), 0)
    )
    picture = decode(content, LIMIT)
    assert picture.header.channels == 3
    assert colours(picture, 2) == [GREEN[:3], GREEN[:3], GREEN[:3], RED[:3]]


def test_the_transparent_index_shows_what_is_below():
    content = gif((4, 4), image((0, 0, 4, 4), 1), image((0, 0, 4, 4), 2, clear=2))
    picture = decode(content, LIMIT)
    assert picture.header.channels == 3
    assert colours(picture, 1) == [GREEN[:3]] * 4


def test_opaque_frames_that_clear_and_cover_again_stay_opaque():
    whole = (0, 0, 4, 4)
    content = gif((4, 4), image(whole, 1, disposal=2), image(whole, 2, disposal=2))
    picture = decode(content, LIMIT)
    assert picture.header.channels == 3
    assert colours(picture, 1) == [BLUE[:3]] * 4


@pytest.mark.parametrize("box", [(2, 2, 9, 9), (2, 2, 2, 40)])
def test_frames_that_reach_over_the_canvas_are_clipped(box):
    picture = decode(gif((4, 4), image((0, 0, 4, 4), 1), image(box, 2)), LIMIT)
    assert (picture.header.width, picture.header.height) == (4, 4)
    assert colours(picture, 1) == [GREEN[:3], GREEN[:3], GREEN[:3], BLUE[:3]]
    outside = decode(gif((4, 4), image((0, 0, 4, 4), 1), image((90, 2, 2, 2), 2)), LIMIT)
    np.testing.assert_array_equal(outside.frames[1], outside.frames[0])


def test_frames_outside_the_canvas_count_against_the_limit():
    far = image((0, 0, 2, 2), 2).replace(
        struct.pack("<HHHH", 0, 0, 2, 2), struct.pack("<HHHH", 60000, 60000, 65535, 65535)
    )
    for content in (gif((4, 4), far), gif((4, 4), image((0, 0, 4, 4), 1), far)):
        for function in (probe, decode):
            with pytest.raises(TooLargeError, match="65535 x 65535"):
                function(content, LIMIT)
    near = image((60000, 60000, 2, 2), 2)
    assert decode(gif((4, 4), image((0, 0, 4, 4), 1), near), LIMIT).header.width == 4
