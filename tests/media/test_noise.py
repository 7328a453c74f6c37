"""Noise is measured on the pixels, whatever they show."""

from __future__ import annotations

import numpy as np
import pytest

from esc_cli.media.noise import measure_noise


@pytest.fixture
def scene():
    """(128, 160, 3) float: shades, an edge and a texture that is the same in all channels."""
    rows, columns = np.mgrid[0:128, 0:160]
    shades = 90 + rows * 0.5 + 40 * (columns > 70)
    texture = 25 * np.sin(columns * 2.1) * np.sin(rows * 1.7) * (columns > 110)
    return (shades + texture)[..., None] * np.array([1.0, 0.9, 0.8])


def noisy(scene, sigma, channels=3):
    drawn = np.random.default_rng(1).standard_normal((*scene.shape[:2], channels))
    return (scene + sigma * drawn).round().clip(0, 255).astype(np.uint8)


def test_a_clean_picture_measures_clean(scene):
    found = measure_noise(noisy(scene, 0))
    assert found.chroma < 1
    assert found.luma < 1


@pytest.mark.parametrize("sigma", [3, 5, 8, 15])
def test_the_noise_of_colour_pictures_is_found_to_a_quarter(scene, sigma):
    assert measure_noise(noisy(scene, sigma)).chroma == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize("sigma", [5, 15])
def test_noise_that_is_the_same_in_all_channels_is_found_in_the_luma(scene, sigma):
    found = measure_noise(noisy(scene, sigma, channels=1))
    assert found.chroma < 2
    assert found.luma == pytest.approx(sigma, rel=0.3)


def test_sixteen_bits_and_alpha_measure_as_eight_bits_without(scene):
    pixels = noisy(scene, 6)
    alpha = np.random.default_rng(2).integers(0, 255, pixels.shape[:2], np.uint8)
    deep = np.dstack([pixels, alpha]).astype(np.uint16) * 257
    assert measure_noise(deep) == pytest.approx(measure_noise(pixels), abs=0.01)


def test_grey_pictures_have_luma_alone(scene):
    found = measure_noise(noisy(scene, 9)[..., :1])
    assert found.chroma == 0
    assert found.luma == pytest.approx(9, rel=0.3)


@pytest.mark.parametrize("size", [(1, 1), (15, 200), (16, 16)])
def test_pictures_of_any_size_can_be_measured(size):
    measured = measure_noise(np.full((*size, 3), 200, np.uint8))
    assert measured == (0, 0)


def test_a_large_picture_is_sampled_and_tells_the_same(scene):
    small = noisy(scene, 8)
    large = noisy(np.tile(scene, (12, 12, 1)), 8)
    assert measure_noise(large).chroma == pytest.approx(measure_noise(small).chroma, rel=0.15)
