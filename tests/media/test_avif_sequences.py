"""Animated AVIF comes in with all its frames, delays and repetitions."""

from __future__ import annotations

import io

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import EscError, ReadError
from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.picture import Header

LIMIT = 10**6
DELAYS = [100, 250, 40]


@pytest.fixture
def pictures(rgba):
    return [rgba, 255 - rgba, np.ascontiguousarray(rgba[::-1])]


@pytest.fixture
def animation(pictures):
    def made(channels: int = 3) -> bytes:
        first, *others = (
            Image.fromarray(np.ascontiguousarray(p[..., :channels])) for p in pictures
        )
        target = io.BytesIO()
        options = {"quality": 100, "subsampling": "4:4:4", "duration": DELAYS}
        first.save(target, "AVIF", save_all=True, append_images=others, **options)
        return target.getvalue()

    return made


def edited(content: bytes, flags: int, whole: int, length: int) -> bytes:
    """The same animation, whose track lasts `whole` and its one edit `length`."""
    changed = bytearray(content)
    head, edits = content.index(b"tkhd"), content.index(b"elst")
    wide = 8 if content[head + 4] else 4
    at = head + 4 + (28 if wide == 8 else 20)
    changed[at : at + wide] = whole.to_bytes(wide, "big")
    changed[edits + 7] = flags
    wide = 8 if content[edits + 4] else 4
    changed[edits + 12 : edits + 12 + wide] = length.to_bytes(wide, "big")
    return bytes(changed)


@pytest.mark.parametrize("channels", [3, 4])
def test_every_frame_and_delay_comes_in(animation, pictures, channels):
    content = animation(channels)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT) == Header("AVIF", 30, 20, channels, 8, 3)
    assert picture.durations_ms == tuple(DELAYS)
    assert picture.loop == 0
    for frame, source in zip(picture.frames, pictures, strict=True):
        assert np.abs(frame.astype(int) - source[..., :channels]).mean() < 3
    assert picture.notes == ()


@pytest.mark.parametrize(
    ("flags", "whole", "plays"), [(0, 390, 1), (1, 3 * 390, 3), (1, 2**32 - 1, 0)]
)
def test_the_edit_list_says_how_often_it_plays(animation, flags, whole, plays):
    content = animation()
    whole = 2**64 - 1 if whole == 2**32 - 1 and content[content.index(b"tkhd") + 4] else whole
    assert decode(edited(content, flags, whole, 390), LIMIT).loop == plays


def test_the_result_is_an_animated_png(animation):
    content = animation()
    assert plan_output(probe(content, LIMIT), (60, 40), None, ".avif") == OutputPlan("PNG", ".png")
    picture = decode(content, LIMIT)
    again = decode(encode(picture, OutputPlan("PNG", ".png"), None), LIMIT)
    assert (again.header.frames, again.durations_ms) == (3, tuple(DELAYS))
    for frame, source in zip(again.frames, picture.frames, strict=True):
        np.testing.assert_array_equal(frame, source)


def test_a_track_of_depths_is_named(animation):
    content = animation(4).replace(b":auxiliary:alpha", b":auxiliary:depth")
    picture = decode(content, LIMIT)
    assert picture.notes == ("left out: its depth map",)
    assert picture.header.channels == 3
    assert decode(animation(4), LIMIT).notes == ()


def test_frames_without_times_are_damage(animation):
    content = animation()
    with pytest.raises(ReadError, match=r"frames do not fit|track"):
        probe(content.replace(b"stts", b"sttx"), LIMIT)


def test_flipped_bits_raise_nothing_but_our_errors(animation, capfd):
    random, content = np.random.default_rng(3), animation()
    for _ in range(60):
        damaged = bytearray(content)
        damaged[random.integers(0, len(content))] ^= 1 << random.integers(0, 8)
        try:
            decode(bytes(damaged), LIMIT)
        except EscError as error:
            assert error.what  # noqa: PT017 - whichever it is
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [3, 4])
def test_frames_of_more_than_8_bits_keep_them(bits, channels):
    shape = (3, 20, 30, channels)
    pixels = np.random.default_rng(0).integers(0, 2**bits, shape, np.uint16)
    content = bytes(imagecodecs.avif_encode(pixels, level=100, bitspersample=bits))
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert picture.header == Header("AVIF", 30, 20, channels, 16, 3, bits)
    top = 2**bits - 1
    for frame, wanted in zip(picture.frames, pixels, strict=True):
        np.testing.assert_array_equal(frame, (wanted.astype(int) * 65535 + top // 2) // top)
    plan = plan_output(picture.header, (30, 20), None, ".avif")
    again = decode(encode(picture, plan, None), LIMIT)
    assert (plan.format, again.header.bits, again.header.frames) == ("PNG", 16, 3)
    np.testing.assert_array_equal(again.frames, picture.frames)
