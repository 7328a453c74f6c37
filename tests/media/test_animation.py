"""Every frame, every delay and the number of plays survive in GIF, WebP and animated PNG."""

from __future__ import annotations

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from esc_cli.media.animation import changed_box, on_clock
from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.picture import Header, Metadata, Picture

LIMIT = 10**6
FORMATS = ("GIF", "WEBP", "PNG")


def moving(frames: list[np.ndarray], durations_ms: list[float], loop: int) -> Picture:
    height, width, channels = frames[0].shape
    header = Header("GIF", width, height, channels, 8, len(frames))
    return Picture(header, tuple(frames), tuple(durations_ms), loop, Metadata())


def squares(channels: int) -> list[np.ndarray]:
    """A square of 5 pixels on a line over plain ground, of few colours; the last stands still."""
    frames = []
    for left in (0, 7, 14, 14):
        frame = np.full((20, 30, channels), (10, 200, 30, 0)[:channels], np.uint8)
        frame[5:10, left : left + 5] = (250, 20, 90, 255)[:channels]
        frames.append(frame)
    return frames


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("loop", [0, 1, 5])
def test_frames_delays_and_plays_survive(name, channels, loop):
    picture = moving(squares(channels), [40, 0, 1000, 70], loop)
    content = encode(picture, OutputPlan(name, ""), 100)
    result = decode(content, LIMIT)
    assert result.header == probe(content, LIMIT)
    assert (result.header.format, result.header.frames) == (name, 4)
    assert result.header.channels == channels
    assert result.durations_ms == pytest.approx((40, 0, 1000, 70))
    assert result.loop == loop
    for frame, original in zip(result.frames, picture.frames, strict=True):
        if channels == 4:
            np.testing.assert_array_equal(frame[..., 3], original[..., 3])
        seen = original[..., 3] > 0 if channels == 4 else np.ones((20, 30), bool)
        np.testing.assert_array_equal(frame[seen], original[seen])


@pytest.mark.parametrize("name", FORMATS)
def test_pillow_reads_the_same_frames(name):
    picture = moving(squares(3), [40, 50, 60, 70], 0)
    with Image.open(io.BytesIO(encode(picture, OutputPlan(name, ""), 100))) as image:
        assert image.n_frames == 4
        for number, original in enumerate(picture.frames):
            image.seek(number)
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), original)


@pytest.mark.parametrize("name", FORMATS)
def test_files_of_pillow_are_read(save, name):
    frames = [Image.fromarray(frame) for frame in squares(3)[:3]]
    options = {"lossless": True} if name == "WEBP" else {}
    content = save(
        frames[0], name, save_all=True, append_images=frames[1:], duration=[30, 40, 50], loop=0,
        **options,
    )  # fmt: skip
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    assert (picture.durations_ms, picture.loop) == ((30, 40, 50), 0)
    for frame, original in zip(picture.frames, squares(3), strict=False):
        np.testing.assert_array_equal(frame[..., :3], original)


def test_a_gif_without_loop_extension_plays_once_before_and_after(save):
    frames = [Image.fromarray(frame) for frame in squares(3)[:2]]
    content = save(frames[0], "GIF", save_all=True, append_images=frames[1:])
    picture = decode(content, LIMIT)
    assert picture.loop == 1
    assert b"NETSCAPE" not in encode(picture, OutputPlan("GIF", ".gif"), None)


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_every_gif_disposal_is_composed_as_the_standard_says(save, disposal):
    """A see-through frame over another: what stays below depends on the disposal alone."""
    first = Image.new("RGBA", (8, 4), (255, 0, 0, 255))
    second = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    second.paste((0, 0, 255, 255), (0, 0, 4, 4))
    third = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    third.paste((0, 255, 0, 255), (4, 0, 8, 4))
    content = gif_of([first, second, third], [1, disposal, 1])
    picture = decode(content, LIMIT)
    left = picture.frames[2][0, 0].tolist()
    if disposal == 2:
        assert left[3] == 0
    else:
        assert left[:3] == ([255, 0, 0] if disposal == 3 else [0, 0, 255])
    assert picture.frames[2][0, 7, :3].tolist() == [0, 255, 0]


def gif_of(frames: list[Image.Image], disposals: list[int]) -> bytes:
    """A GIF whose blocks are put together here, with index 0 transparent in every frame."""
    colours = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]
    content = b"GIF89a\x08\0\x04\0\x81\0\0" + bytes(itertools.chain(*colours))
    for frame, disposal in zip(frames, disposals, strict=True):
        pixels = [
            colours.index(pixel[:3]) if pixel[3] else 0
            for pixel in map(tuple, np.asarray(frame).reshape(-1, 4).tolist())
        ]
        # Codes of 4 bits, a clear code (8) before each pixel so that the width never grows.
        codes = [code for pixel in pixels for code in (8, pixel)] + [9]
        bits = sum(code << 4 * place for place, code in enumerate(codes))
        packed = bits.to_bytes((len(codes) + 1) // 2, "little")
        content += b"!\xf9\x04" + bytes([disposal << 2 | 1, 5, 0, 0, 0])
        content += b",\0\0\0\0\x08\0\x04\0\0\x03" + bytes([len(packed)]) + packed + b"\0"
    return content + b";"


def test_alpha_of_a_gif_is_cut_at_128():
    frame = np.full((4, 4, 4), 200, np.uint8)
    frame[:2, :, 3], frame[2:, :, 3] = 127, 128
    result = decode(encode(moving([frame, frame], [50, 50], 0), OutputPlan("GIF", ""), None), LIMIT)
    assert result.header.channels == 4
    assert result.frames[1][0, 0, 3] == 0
    assert result.frames[1][3, 3].tolist() == [200, 200, 200, 255]


def test_a_gif_of_many_colours_stays_close(rgb):
    large = np.asarray(Image.fromarray(rgb).resize((120, 80), Image.Resampling.BICUBIC))
    result = decode(
        encode(moving([large, large[::-1].copy()], [50, 50], 0), OutputPlan("GIF", ""), None), LIMIT
    )
    for frame, original in zip(result.frames, (large, large[::-1]), strict=True):
        assert np.abs(frame.astype(int) - original).mean() < 6


def test_an_opaque_gif_with_see_through_updates_is_opaque(save):
    frames = [Image.fromarray(frame) for frame in squares(3)]
    content = save(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=50)
    assert probe(content, LIMIT).channels == 3


def test_the_default_image_of_an_apng_is_no_frame(save):
    frames = [Image.fromarray(frame) for frame in squares(3)[:3]]
    content = save(
        frames[0], "PNG", save_all=True, append_images=frames[1:], default_image=True, duration=40
    )
    picture = decode(content, LIMIT)
    assert picture.header.frames == 2
    np.testing.assert_array_equal(picture.frames[0], squares(3)[1])


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA"])
def test_an_apng_keeps_its_kind_of_pixels(save, mode):
    frames = [Image.fromarray(frame).convert(mode) for frame in squares(3)[:3]]
    content = save(frames[0], "PNG", save_all=True, append_images=frames[1:], duration=40)
    picture = decode(content, LIMIT)
    assert picture.header.channels == {"L": 1, "LA": 2, "P": 3, "RGBA": 4}[mode]
    expected = frames[2].convert("RGB" if mode == "P" else mode)
    np.testing.assert_array_equal(picture.frames[2].squeeze(), np.asarray(expected))
    again = decode(encode(picture, OutputPlan("PNG", ".png"), None), LIMIT)
    np.testing.assert_array_equal(again.frames[2], picture.frames[2])


def test_a_deep_apng_keeps_its_16_bits():
    frames = tuple((frame * 257.0 - 3 * (frame > 9)).astype(np.uint16) for frame in squares(4)[:3])
    height, width = frames[0].shape[:2]
    header = Header("PNG", width, height, 4, 16, 3)
    made = Picture(header, frames, (40.0, 50.0, 60.0), 0, Metadata())
    picture = decode(encode(made, OutputPlan("PNG", ".png"), None), LIMIT)
    assert picture.header == header
    assert all(map(np.array_equal, picture.frames, frames))


@pytest.mark.parametrize("name", FORMATS)
def test_an_animation_cut_short_is_an_error(name):
    from esc_cli.errors import ReadError

    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 3), np.uint8)
    content = encode(moving(list(noise), [50, 50, 50], 0), OutputPlan(name, ""), None)
    for share in (0.4, 0.7):
        with pytest.raises(ReadError):
            decode(content[: int(len(content) * share)], LIMIT)


def test_an_animated_webp_keeps_its_metadata():
    plain = moving(squares(4), [40] * 4, 0)
    entries = Image.Exif()
    entries[0x010E] = "a description"
    exif = entries.tobytes().removeprefix(b"Exif\0\0")
    picture = Picture(plain.header, plain.frames, plain.durations_ms, 0, Metadata(exif=exif))
    plan = plan_output(plain.header, (30, 20), "webp", ".gif")
    kept = decode(encode(picture, plan, None), LIMIT).metadata.exif
    assert kept is not None
    assert b"a description" in kept


def test_the_changed_box_is_as_small_as_can_be():
    before, after = np.zeros((2, 9, 9, 3), np.uint8)
    after[3, 5], after[6, 7] = 1, 1
    box = changed_box(before, after)
    assert (box.left, box.top, box.width, box.height) == (5, 3, 3, 4)
    box = changed_box(before, after, grid=2)
    assert (box.left, box.top, box.width, box.height) == (4, 2, 4, 5)
    box = changed_box(before, before)
    assert (box.width, box.height) == (1, 1)


def test_rounded_delays_do_not_drift():
    thirtieths = [1000 / 30] * 300
    assert sum(on_clock(thirtieths, tick_ms=10, most=65535)) == 1000
    assert on_clock([0, 70, 0], tick_ms=10, most=65535) == [0, 7, 0]
