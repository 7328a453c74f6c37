"""The degradation of real pictures: kernels, noise, JPEG, sharpening."""

from __future__ import annotations

import io
import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from training_runs import picture

from esc_cli.training.degradation import blurred, degraded, sharpened
from esc_cli.training.degradation_draws import KINDS, bell, centred, draw_degradation, pulse, sinc
from esc_cli.training.degradation_settings import Real
from esc_cli.training.jpeg import jpeg


def tensor(pixels):
    return torch.from_numpy(pixels.transpose(2, 0, 1).copy()).float()[None] / 255


@pytest.mark.parametrize("quality", [30, 49, 50, 75, 95])
@pytest.mark.parametrize("size", [(64, 48), (61, 45)])
def test_jpeg_is_that_of_libjpeg(quality, size):
    pixels = picture(3, *size)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality)
    wanted = np.asarray(Image.open(stream)).astype(int)
    found = (jpeg(tensor(pixels), quality)[0] * 255).round().numpy().transpose(1, 2, 0)
    off, lost = np.abs(found - wanted), np.abs(pixels.astype(int) - wanted)
    assert off.mean() < 1.0  # levels of 255: libjpeg rounds more often on its way
    assert off.mean() < 0.3 * lost.mean()


@pytest.mark.parametrize(("shape", "unequal"), KINDS)
def test_a_bell_sums_to_one_and_is_symmetric(shape, unequal):
    kernel = bell(21, shape, (2.0, 0.7 if unequal else 2.0), 0.4, 1.3)
    assert kernel.sum() == pytest.approx(1)
    assert np.allclose(kernel, kernel[::-1, ::-1])
    assert np.allclose(kernel, kernel.T) != unequal
    assert kernel.argmax() == 21 * 21 // 2


def test_a_gaussian_has_its_sigma():
    kernel = bell(21, "gaussian", (1.5, 1.5), 0.0, 1.0)
    places = np.arange(21) - 10
    assert (kernel.sum(axis=0) * places**2).sum() == pytest.approx(1.5**2, rel=1e-3)


def test_a_sinc_filter_keeps_low_frequencies_and_removes_high_ones():
    response = np.abs(np.fft.fft2(sinc(21, math.pi / 3)))
    assert response[0, 0] == pytest.approx(1)
    assert response[0, 1] == pytest.approx(1, abs=0.15)
    assert response[0, 8:].max() < 0.15 or response[0, 8:13].max() < 0.15


def test_a_pulse_changes_nothing():
    image = torch.rand(1, 3, 20, 30)
    assert torch.allclose(blurred(image, pulse(21)), image)
    assert torch.allclose(
        blurred(image, centred(np.full((3, 3), 1 / 9), 7)),
        blurred(image, np.full((3, 3), 1 / 9)),
        atol=1e-6,
    )


def test_draws_have_the_probabilities_of_the_settings():
    source, real = np.random.default_rng(0), Real()
    draws = [draw_degradation(source, real) for _ in range(2000)]
    first = Counter(np.sign(draw.first.factor - 1) for draw in draws)
    assert first[1.0] / 2000 == pytest.approx(0.2, abs=0.04)
    assert first[-1.0] / 2000 == pytest.approx(0.7, abs=0.04)
    second = Counter(np.sign(draw.second.factor - 1) for draw in draws)
    assert second[-1.0] / 2000 == pytest.approx(0.4, abs=0.04)
    assert 0.15 <= min(draw.first.factor for draw in draws) < 0.2
    assert 1.4 < max(draw.first.factor for draw in draws) <= 1.5
    assert all(draw.first.blur is not None for draw in draws)
    unblurred = sum(draw.second.blur is None for draw in draws)
    assert unblurred / 2000 == pytest.approx(0.2, abs=0.04)
    assert sum(draw.first.grey for draw in draws) / 2000 == pytest.approx(0.4, abs=0.04)
    filtered = sum(not np.array_equal(draw.last_filter, pulse(21)) for draw in draws)
    assert filtered / 2000 == pytest.approx(0.8, abs=0.04)
    strengths = [draw.first.strength for draw in draws if not draw.first.poisson]
    assert 1 <= min(strengths) < 3
    assert 28 < max(strengths) <= 30
    assert {draw.first.blur.shape for draw in draws} == {(21, 21)}


def test_a_degraded_picture_has_its_size_is_repeatable_and_loses_detail():
    hr = tensor(picture(1, 96, 128))
    draws = [draw_degradation(np.random.default_rng(seed), Real()) for seed in range(12)]
    for draw in draws:
        lr = degraded(hr, draw, 4)
        assert lr.shape == (1, 3, 32, 24)
        assert torch.equal(lr, degraded(hr, draw, 4))
        assert 0 <= lr.min() <= lr.max() <= 1
        assert torch.allclose(lr * 255, (lr * 255).round(), atol=1e-4)
        other = degraded(hr, replace(draw, noise_seed=1), 4)
        assert not torch.equal(lr, other)
        assert abs(float(lr.mean() - hr.mean())) < 0.15
    assert len({degraded(hr, draw, 4).sum().item() for draw in draws}) == 12


def test_sharpening_steepens_edges_and_leaves_flat_areas():
    step = torch.full((1, 3, 80, 80), 0.3)
    step[..., 40:] = 0.7
    sharp = sharpened(step)
    assert sharp[0, 0, 40, 41] > 0.72
    assert sharp[0, 0, 40, 38] < 0.28
    flat = torch.full((1, 3, 80, 80), 0.4)
    assert torch.allclose(sharpened(flat), flat)
