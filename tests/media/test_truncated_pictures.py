"""PNG, GIF, WebP, BMP, TGA and PCX that are cut short: failures, or what is there with a note."""

from __future__ import annotations

import errno
import tracemalloc
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import ReadError, TooLargeError
from esc_cli.files.source import reading
from esc_cli.media.decode import decode, probe
from esc_cli.media.webp import stated_size

LIMIT = 10**6
HEIGHT = 80
NOISE = np.random.default_rng(0).integers(1, 256, (HEIGHT, 64, 3), np.uint8)
KINDS = {
    "PNG": ("PNG", {}),
    "GIF": ("GIF", {"interlace": 0}),
    "interlaced GIF": ("GIF", {"interlace": 1}),
    "WebP": ("WEBP", {}),
    "BMP": ("BMP", {}),
    "TGA": ("TGA", {}),
    "packed TGA": ("TGA", {"compression": "tga_rle"}),
    "PCX": ("PCX", {}),
}
MOVING = {"save_all": True, "duration": 50}


@pytest.fixture(params=KINDS)
def whole(request, save):
    format_name, options = KINDS[request.param]
    return save(NOISE, format_name, **options)


def test_a_picture_that_is_cut_short_is_a_failure_and_the_reason_is_plain(whole):
    with pytest.raises(ReadError, match=r"cut short.*\(--allow-truncated keeps"):
        decode(whole[: len(whole) * 6 // 10], LIMIT)


def test_what_is_left_of_it_is_done_with_one_note_and_nothing_below(whole):
    content = whole[: len(whole) * 6 // 10]
    complete, cut = decode(whole, LIMIT), decode(content, LIMIT, allow_truncated=True)
    assert cut.header == probe(content, LIMIT, allow_truncated=True) == complete.header
    assert len(cut.notes) == 1
    assert "what is missing is empty" in cut.notes[0]
    same = (cut.frames[0] == complete.frames[0]).all(axis=(1, 2))
    empty = (cut.frames[0] == 0).all(axis=(1, 2))
    assert 0.3 * HEIGHT < same.sum() < 0.7 * HEIGHT
    assert (same | empty).sum() >= 0.9 * HEIGHT - 16
    assert complete.notes == decode(whole, LIMIT, allow_truncated=True).notes == ()


@pytest.mark.parametrize("format_name", ["PNG", "GIF", "WEBP"])
def test_an_animation_that_is_cut_short_keeps_its_frames_up_to_there(save, format_name):
    frames = [Image.fromarray(np.roll(NOISE, shift, 0)) for shift in range(4)]
    whole = save(frames[0], format_name, append_images=frames[1:], **MOVING)
    content = whole[: len(whole) * 6 // 10]
    with pytest.raises(ReadError, match="cut short"):
        decode(content, LIMIT)
    complete, cut = decode(whole, LIMIT), decode(content, LIMIT, allow_truncated=True)
    assert cut.header == probe(content, LIMIT, allow_truncated=True)
    assert len(cut.frames) == len(cut.durations_ms) in (2, 3)
    for number in range(2):
        np.testing.assert_array_equal(cut.frames[number], complete.frames[number])
    assert len(cut.notes) == 1


def test_of_a_lossless_webp_that_is_cut_short_there_is_nothing_to_keep(save):
    content = save(NOISE, "WEBP", lossless=True)
    with pytest.raises(ReadError, match="too much of it is missing"):
        decode(content[: len(content) // 2], LIMIT, allow_truncated=True)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("bits", [1, 4, 8, 16])
def test_interlaced_and_deep_png_keep_their_first_rows(chunk, bits, interlaced):
    import struct
    import zlib

    rows = b"".join(b"\0" + bytes(NOISE[y, :, 0])[: (32 * bits + 7) // 8] for y in range(32))
    if interlaced:
        steps = ((8, 8), (8, 8), (4, 8), (4, 4), (2, 4), (2, 2), (1, 2))
        rows = b"".join(
            b"\0" + b"\x5a" * ((32 // across * bits + 7) // 8)
            for across, down in steps
            for _ in range(32 // down)
        )
    head = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">2I5B", 32, 32, bits, 0, 0, 0, interlaced)
    )
    whole = head + chunk(b"IDAT", zlib.compress(rows, 0)) + chunk(b"IEND", b"")
    complete = decode(whole, LIMIT).frames[0]
    cut = decode(whole[:-40], LIMIT, allow_truncated=True).frames[0]
    np.testing.assert_array_equal(cut[0], complete[0])
    assert cut.any()


@pytest.mark.parametrize("lossless", [False, True])
def test_a_webp_that_states_four_gigabytes_is_not_filled_up_to_them(save, lossless):
    content = bytearray(save(NOISE, "WEBP", lossless=lossless))
    content[4:8] = (2**32 - 16).to_bytes(4, "little")
    content[16:20] = (2**32 - 64).to_bytes(4, "little")
    tracemalloc.start()
    with suppress(ReadError):
        decode(bytes(content), LIMIT, allow_truncated=True)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10**7


@pytest.mark.parametrize("kind", [b"VP8 ", b"VP8L", b"VP8X"])
def test_the_size_that_a_webp_states_counts_before_anything_is_allocated(save, kind):
    content = save(NOISE, "WEBP", lossless=kind == b"VP8L", exif=b"x" if kind == b"VP8X" else b"")
    assert content[12:16] == kind
    assert stated_size(content[:30]) == (64, HEIGHT)
    with pytest.raises(TooLargeError, match=f"64 x {HEIGHT} is 5,120 pixels"):
        probe(content, 5119)


@pytest.mark.parametrize("size", [(8, 1), (64, HEIGHT)])
def test_a_pcx_without_its_palette_is_not_taken_for_a_grey_one(save, tmp_path, size):
    whole = save(Image.fromarray(NOISE).crop((0, 0, *size)).convert("P"), "PCX")
    path = tmp_path / "a.pcx"
    path.write_bytes(whole[:-769])
    for source in (path, whole[:-769]):
        with pytest.raises(ReadError, match="cut short: its palette is missing"):
            decode(source, LIMIT)
        (note,) = decode(source, LIMIT, allow_truncated=True).notes
        assert note.startswith("the file is cut short: its palette is missing")
    grey = bytearray(whole[:-769])
    grey[68] = 2
    path.write_bytes(grey)
    assert probe(path, LIMIT) == decode(bytes(grey), LIMIT).header


def test_what_a_decoder_says_of_an_impossible_place_in_a_file_is_no_reason():
    expected = pytest.raises(ReadError, match="the picture is damaged: its data cannot be decoded")
    with expected, reading(None):
        raise OSError(errno.EINVAL, "Invalid argument")


@pytest.mark.parametrize("left", [0, 4, 8, 11])
def test_a_png_that_lacks_nothing_but_its_end_is_done(save, rgb, left):
    content = save(rgb, "PNG")
    picture = decode(content[: len(content) - 12 + left], 10**6)
    np.testing.assert_array_equal(picture.frames[0], rgb)
    assert picture.notes == ()
    for shorter in (content[:-17], content[:-30] + content[-12:]):
        with pytest.raises(ReadError, match=r"cut short|damaged"):
            decode(shorter, 10**6)
