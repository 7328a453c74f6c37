"""PNG's image data: every kind of frame comes back as it was, from other decoders too."""

from __future__ import annotations

import io
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from esc_cli.media import png
from esc_cli.media.picture import Frame, Header, Metadata, Picture

SIZES = [(1, 1), (1, 40), (33, 1), (17, 16)]  # (height, width)


def noise(height: int, width: int, channels: int, dtype: type[np.generic]) -> Frame:
    levels = np.iinfo(dtype).max
    drawn = np.random.default_rng(height * width).integers(0, levels, (height, width, channels))
    frame: Frame = drawn.astype(dtype)
    return frame


def file_of(frame: Frame) -> bytes:
    height, width, channels = frame.shape
    header = Header("PNG", width, height, channels, 8 * frame.itemsize, 1)
    return png.encode_png(Picture(header, (frame,), (), None, Metadata()), None)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_libpng_reads_back_what_was_written(
    size: tuple[int, int], channels: int, dtype: type[np.generic]
) -> None:
    frame = noise(*size, channels, dtype)
    read = imagecodecs.png_decode(file_of(frame))
    np.testing.assert_array_equal(read.reshape(frame.shape), frame)


def test_pillow_reads_back_what_was_written() -> None:
    frame = noise(31, 45, 3, np.uint8)
    with Image.open(io.BytesIO(file_of(frame))) as image:
        np.testing.assert_array_equal(np.array(image), frame)


def test_a_frame_that_is_a_view_is_written_by_its_pixels() -> None:
    frame = noise(20, 30, 3, np.uint8)[::-2, 3:-4]
    np.testing.assert_array_equal(imagecodecs.png_decode(file_of(frame)), frame)


@pytest.mark.parametrize("at_once", [1, 200, 999])
def test_a_large_picture_goes_through_in_bands(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = noise(23, 17, 3, np.uint16)
    whole = zlib.decompress(png.compressed(frame))
    monkeypatch.setattr(png, "AT_ONCE_BYTES", at_once)
    assert zlib.decompress(png.compressed(frame)) == whole
    np.testing.assert_array_equal(imagecodecs.png_decode(file_of(frame)), frame)


def test_image_data_above_the_size_of_a_chunk_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = noise(40, 40, 3, np.uint8)
    monkeypatch.setattr(png, "CHUNK_BYTES", 1000)
    content = file_of(frame)
    assert content.count(b"IDAT") == 5
    np.testing.assert_array_equal(imagecodecs.png_decode(content), frame)


def test_a_smooth_picture_is_compressed() -> None:
    rows, columns = np.mgrid[0:400, 0:300]
    frame = np.stack([rows % 256, columns % 256, (rows + columns) % 256], axis=2).astype(np.uint8)
    assert len(file_of(frame)) < frame.nbytes / 20
