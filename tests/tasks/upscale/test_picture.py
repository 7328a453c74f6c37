"""Pictures of every kind through a real network."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

import esc_cli
from esc_cli.engine.options import EngineOptions
from esc_cli.engine.upscaler import Upscaler
from esc_cli.errors import StoppedError
from esc_cli.media.picture import Header, Metadata, Picture
from esc_cli.media.resize import resize_lanczos
from esc_cli.tasks.upscale.picture import PictureUpscaler


@pytest.fixture(scope="module")
def network():
    return Upscaler(esc_cli.load_model("esc-tiny", 2), EngineOptions(device="cpu"))


def smooth(channels, dtype, height=9, width=13):
    rows, columns = np.mgrid[0:height, 0:width]
    share = np.stack([(rows * (c + 1) + columns * 2) / 80 for c in range(channels)], axis=2)
    return (share.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def picture(*frames):
    height, width, channels = frames[0].shape
    bits = 8 * frames[0].dtype.itemsize
    header = Header("PNG", width, height, channels, bits, len(frames))
    return Picture(header, frames, (), None, Metadata(dpi=(72.0, 72.0)))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(26, 18), (20, 14), (13, 9), (5, 4)])
def test_every_kind_keeps_its_channels_bits_and_brightness(network, dtype, channels, size):
    frame = smooth(channels, dtype)
    if channels in (2, 4):
        frame[..., -1] = np.iinfo(dtype).max
    before = frame.copy()
    upscaler = network if size[0] > 13 else None
    result = PictureUpscaler(upscaler, size, lambda: None).run(picture(frame))
    (pixels,) = result.frames
    assert pixels.shape == (size[1], size[0], channels)
    assert pixels.dtype == dtype
    assert (result.header.width, result.header.height) == size
    assert (result.header.channels, result.header.bits) == (channels, frame.dtype.itemsize * 8)
    assert result.metadata == picture(frame).metadata
    assert np.array_equal(frame, before)
    level = np.iinfo(dtype).max
    wanted = resize_lanczos(frame.astype(np.float32), size)
    assert np.abs(pixels - wanted).mean() / level < 0.03
    if channels in (2, 4):
        assert pixels[..., -1].min() == level


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1)])
def test_the_smallest_pictures_are_done_without_a_warning(network, channels, size):
    frame = np.full((size[1], size[0], channels), 90, np.uint8)
    frame.flags.writeable = False
    torch.set_warn_always(True)  # it would warn of each thing once only
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            doubled = PictureUpscaler(network, (2 * size[0], 2 * size[1]), lambda: None)
            (result,) = doubled.run(picture(frame)).frames
    finally:
        torch.set_warn_always(False)
    assert result.shape == (2 * size[1], 2 * size[0], channels)


def test_frames_are_done_one_by_one_and_stay_in_order(network):
    frames = [smooth(3, np.uint8), smooth(3, np.uint8)[::-1].copy(), smooth(3, np.uint8)]
    enlarge = PictureUpscaler(network, (26, 18), lambda: None)
    first, second, third = enlarge.run(picture(*frames)).frames
    assert np.array_equal(first, third)
    assert not np.array_equal(first, second)
    assert len(enlarge.passes) == 3
    assert {done.precision for done in enlarge.passes} == {"fp32"}


def test_a_stop_between_frames_leaves_at_once(network):
    def check():
        raise StoppedError(15)

    enlarge = PictureUpscaler(network, (26, 18), check)
    with pytest.raises(StoppedError) as caught:
        enlarge.run(picture(smooth(3, np.uint8)))
    assert caught.value.exit_code == 143
    assert enlarge.passes == []


def test_equal_grey_and_rgb_give_equal_results(network):
    grey = smooth(1, np.uint8)
    one = PictureUpscaler(network, (26, 18), lambda: None).run(picture(grey)).frames[0]
    three = picture(np.repeat(grey, 3, axis=2))
    rgb = PictureUpscaler(network, (26, 18), lambda: None).run(three).frames[0]
    assert np.abs(one[..., 0].astype(int) - np.rint(rgb.mean(axis=2))).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("size", [(48, 48), (40, 40), (24, 24), (10, 10)])
def test_clear_stays_zero_and_opaque_the_maximum_where_nothing_differs(
    network, dtype, channels, size
):
    top = np.iinfo(dtype).max
    frame = smooth(channels, dtype, 24, 24)
    frame[..., -1] = 0
    upscaler = network if size[0] > 24 else None
    enlarge = PictureUpscaler(upscaler, size, lambda: None)
    assert not enlarge.run(picture(frame)).frames[0].any()
    frame[:, 12:, -1] = top
    frame[:2, :2, -1] = top // 3
    alpha = enlarge.run(picture(frame)).frames[0][..., -1]
    scale = size[0] / 24
    clear, opaque = alpha[round(4 * scale) :, : int(10 * scale)], alpha[:, -int(10 * scale) :]
    assert clear.max() == 0
    assert opaque.min() == top
    assert alpha[0, 0] > 0


def test_numbers_of_a_panorama_grow_with_the_picture():
    source = picture(smooth(3, np.uint8))
    tag = b'GPano:CroppedAreaImageWidthPixels="%d" GPano:CroppedAreaTopPixels="%d"'
    source = replace(source, metadata=Metadata(xmp=tag % (13, 90)))
    result = PictureUpscaler(None, (26, 18), lambda: None).run(source)
    assert result.metadata.xmp == tag % (26, 180)
