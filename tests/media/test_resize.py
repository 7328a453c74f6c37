"""Lanczos resampling of float pictures."""

import numpy as np
import pytest
from PIL import Image

from esc_cli.media.resize import resize_lanczos

NOISE = np.random.default_rng(0).random((13, 17, 4), dtype=np.float32)


@pytest.mark.parametrize("size", [(17, 13), (34, 26), (8, 5), (1, 1), (40, 3)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_channel_equals_pillow_on_floats(size, channels):
    result = resize_lanczos(NOISE[..., :channels], size)
    assert result.shape == (size[1], size[0], channels)
    assert result.dtype == np.float32
    for index in range(channels):
        plane = Image.fromarray(np.ascontiguousarray(NOISE[..., index]))
        wanted = np.asarray(plane.resize(size, Image.Resampling.LANCZOS))
        assert np.array_equal(result[..., index], wanted)


@pytest.mark.parametrize("size", [(7, 5), (40, 31), (1, 1)])
@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
def test_a_constant_picture_stays_constant(size, value):
    constant = np.full((13, 17, 3), value, np.float32)
    assert resize_lanczos(constant, size) == pytest.approx(value, abs=1e-6)


def test_its_own_size_changes_nothing():
    assert np.array_equal(resize_lanczos(NOISE, (17, 13)), NOISE)


def test_fine_stripes_do_not_alias_when_made_smaller():
    stripes = np.zeros((8, 64, 1), np.float32)
    stripes[:, ::2] = 1
    small = resize_lanczos(stripes, (13, 8))
    assert np.abs(small - 0.5).max() < 0.1


def test_edges_overshoot_and_are_not_clamped():
    step = np.zeros((4, 16, 1), np.float32)
    step[:, 8:] = 1
    result = resize_lanczos(step, (64, 4))
    assert result.max() > 1
    assert result.min() < 0
