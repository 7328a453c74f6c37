"""Animated PNG: a default image that is no frame, blending, disposal."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from esc_cli.errors import ReadError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6
RED, BLUE, CLEAR = (255, 0, 0, 255), (0, 0, 255, 255), (0, 0, 0, 0)


@pytest.fixture
def apng(chunk):
    """A 4 x 4 animation; each frame is (colour, (width, height, left, top), dispose, blend)."""

    def made(default, *frames, depth=8):
        def packed(colour, width, height):
            samples = b"".join(bytes((sample,)) * (depth // 8) for sample in colour)
            return zlib.compress((b"\0" + samples * width) * height)

        parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, depth, 6, 0, 0, 0))]
        parts.append(chunk(b"acTL", struct.pack(">II", len(frames), 0)))
        parts += [chunk(b"IDAT", packed(default, 4, 4))] if default else []
        sequence = 0
        for number, (colour, box, dispose, blend) in enumerate(frames):
            place = struct.pack(">5I2H2B", sequence, *box, 1, 10, dispose, blend)
            body, sequence = packed(colour, *box[:2]), sequence + 1
            parts.append(chunk(b"fcTL", place))
            if number or default:
                parts.append(chunk(b"fdAT", struct.pack(">I", sequence) + body))
                sequence += 1
            else:
                parts.append(chunk(b"IDAT", body))
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")

    return made


WHOLE, CORNER = (4, 4, 0, 0), (2, 2, 0, 0)


def corners(frame):
    return [tuple(frame[0, 0].tolist()), tuple(frame[3, 3].tolist())]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_default_image_that_is_no_frame_is_not_shown(apng, count):
    content = apng((9, 9, 9, 255), *[(RED, CORNER, 0, 1), (BLUE, CORNER, 0, 1)][:count])
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header.frames == min(count, 2)
    assert corners(picture.frames[0]) == [RED, CLEAR]
    assert corners(picture.frames[-1]) == [BLUE if count > 1 else RED, CLEAR]


def test_frames_are_blended_and_disposed_of(apng):
    half = (0, 0, 255, 128)
    frames = [(RED, WHOLE, 0, 0), (half, CORNER, 2, 1), (half, CORNER, 1, 0), (CLEAR, WHOLE, 0, 1)]
    picture = decode(apng(None, *frames), LIMIT)
    assert corners(picture.frames[1]) == [(127, 0, 128, 255), RED]
    assert corners(picture.frames[2]) == [half, RED]
    assert corners(picture.frames[3]) == [CLEAR, RED]


def test_frames_of_16_bits_are_blended_at_16_bits(apng):
    half = (0, 0, 255, 128)
    picture = decode(apng(None, (RED, WHOLE, 0, 0), (half, CORNER, 0, 1), depth=16), LIMIT)
    assert picture.frames[0].dtype == np.uint16
    blended, left = corners(picture.frames[1])
    assert blended == (65535 - 128 * 257, 0, 128 * 257, 65535)
    assert left == (65535, 0, 0, 65535)


def test_an_animation_of_no_frames_is_a_still(apng, chunk):
    content = apng((9, 9, 9, 255), (RED, WHOLE, 0, 0))
    none = content.replace(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"acTL", bytes(8)))
    picture = decode(none, LIMIT)
    assert picture.header.frames == 1
    assert corners(picture.frames[0]) == [(9, 9, 9, 255)] * 2


def test_a_frame_over_the_canvas_is_a_reason(apng):
    with pytest.raises(ReadError, match="over its canvas"):
        decode(apng(None, (RED, WHOLE, 0, 0), (RED, (4, 4, 2, 2), 0, 0)), LIMIT)


def test_frames_that_are_announced_behind_the_image_are_none(apng):
    green = (0, 255, 0, 255)
    content = apng(green, (RED, WHOLE, 0, 0), (BLUE, WHOLE, 0, 0))
    start = content.index(b"acTL") - 4
    announced, rest = content[start : start + 20], content[:start] + content[start + 20 :]
    behind = rest.index(b"fcTL") - 4
    picture = decode(rest[:behind] + announced + rest[behind:], LIMIT)
    assert picture.header.frames == 1
    assert corners(picture.frames[0]) == [green, green]


@pytest.mark.parametrize("number", [0, 1])
def test_a_frame_without_data_is_a_reason_and_may_be_left_out(apng, number):
    content = apng((9, 9, 9, 255), (RED, WHOLE, 0, 0), (BLUE, WHOLE, 0, 0))
    starts = [at for at in range(len(content)) if content[at : at + 4] == b"fdAT"]
    start = starts[number] - 4
    end = start + 12 + int.from_bytes(content[start : start + 4], "big")
    lacking = content[:start] + content[end:]
    with pytest.raises(ReadError, match="a frame of its animation has no data"):
        decode(lacking, LIMIT)
    picture = decode(lacking, LIMIT, allow_truncated=True)
    shown = [corners(frame)[0] for frame in picture.frames]
    assert shown == ([CLEAR, BLUE] if number == 0 else [RED, RED])
    assert len(picture.notes) == 1


def test_an_animation_of_which_nothing_can_be_decoded_is_damaged_whatever_is_allowed(apng, chunk):
    content = apng((9, 9, 9, 255), (RED, WHOLE, 0, 0))
    start = content.index(b"fdAT") - 4
    lacking = content[:start] + chunk(b"fdAT", b"\0\0\0\1rubbish") + chunk(b"IEND", b"")
    with pytest.raises(ReadError, match="cut short or broken"):
        decode(lacking, LIMIT)
    with pytest.raises(ReadError, match="no frame of its animation can be decoded"):
        decode(lacking, LIMIT, allow_truncated=True)
