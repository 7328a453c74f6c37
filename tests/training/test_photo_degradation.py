"""The degradation of photographs: what is drawn, what it does, and that it repeats itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from training_runs import picture

from esc_cli.evaluation.protocol import degrade
from esc_cli.media.recompress import through_jpeg, through_webp
from esc_cli.media.video.recompress import through_h264
from esc_cli.tasks.evaluate.degraded import LEVELS
from esc_cli.tasks.evaluate.degraded import degraded as fixed_copy
from esc_cli.training.cache import cached_pictures
from esc_cli.training.photo_degradation import DOWNSAMPLERS, degraded, downsampling, gaussian
from esc_cli.training.photo_source import PhotoSource
from esc_cli.training.recipe import changes, load_recipe

PHOTO = load_recipe("esc-tiny-photo").photo
NOTHING = replace(PHOTO, blur=0, noise=0, jpeg=0, webp=0, h264=0, downsamplers=(1.0, 0.0, 0.0, 0.0))


def drawn(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_without_any_of_it_lr_is_that_of_the_evaluation_but_for_its_border(scale):
    hr = picture(0, 24 * scale, 20 * scale)
    wanted = degrade(torch.from_numpy(hr).permute(2, 0, 1), scale).permute(1, 2, 0).numpy()
    found = degraded(hr, scale, NOTHING, drawn())
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(found[inner].astype(int) - wanted[inner]).max() <= 1


@pytest.mark.parametrize("kind", range(len(DOWNSAMPLERS)))
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_downsampler_keeps_the_mean_and_a_ramp(kind, scale):
    matrix = downsampling(kind, 12, scale)
    assert np.allclose(matrix.sum(axis=1), 1)
    ramp = matrix @ np.arange(12 * scale)
    centres = (np.arange(12) + 0.5) * scale - 0.5
    assert np.allclose(ramp[4:-4], centres[4:-4], atol=0.02 * scale)


def test_a_gaussian_has_its_sigma():
    places = np.arange(41) - 20
    assert (gaussian(41, 2.0)[20] * places**2).sum() == pytest.approx(4, rel=1e-3)


@pytest.mark.parametrize(
    "change",
    [{"poisson": 0, "grey": 0}, {"poisson": 0, "grey": 1}, {"poisson": 1, "grey": 0}],
)
@pytest.mark.parametrize("correlated", [0, 1])
def test_noise_has_its_standard_deviation_at_middle_grey(change, correlated):
    photo = replace(NOTHING, noise=1, sigma=(12, 12), correlated=correlated, **change)
    lr = degraded(np.full((256, 256, 3), 127, np.uint8), 2, photo, drawn()).astype(float)
    assert lr.std() == pytest.approx(12, rel=0.1)
    same = np.allclose(lr[..., 0], lr[..., 1])
    assert same == bool(change["grey"])
    neighbours = np.corrcoef(lr[:, :-1, 0].ravel(), lr[:, 1:, 0].ravel())[0, 1]
    assert (neighbours > 0.03) == bool(correlated)


def test_shot_noise_follows_the_light():
    photo = replace(NOTHING, noise=1, sigma=(12, 12), poisson=1, grey=0, correlated=0)
    dark, light = (
        degraded(np.full((128, 128, 3), level, np.uint8), 2, photo, drawn()).std()
        for level in (30, 180)
    )
    assert light / dark == pytest.approx((180 / 30) ** 0.5, rel=0.15)


def test_strengths_begin_at_nothing():
    noise = [
        degraded(
            np.full((64, 64, 3), 127, np.uint8), 2, replace(PHOTO, jpeg=0, webp=0, h264=0), drawn(s)
        )
        for s in range(200)
    ]
    spreads = np.array([lr.std() for lr in noise])
    assert (spreads == 0).mean() == pytest.approx(1 - PHOTO.noise, abs=0.12)
    assert 0 < spreads[spreads > 0].min() < 2
    assert 14 < spreads.max() < 19


def test_pictures_are_saved_as_often_as_the_settings_say():
    hr = picture(1, 64, 64)
    plain = replace(PHOTO, blur=0, noise=0, downsamplers=NOTHING.downsamplers)
    untouched = degraded(hr, 2, NOTHING, drawn())
    same = [np.array_equal(degraded(hr, 2, plain, drawn(s)), untouched) for s in range(200)]
    assert np.mean(same) == pytest.approx(1 - PHOTO.jpeg - PHOTO.webp - PHOTO.h264, abs=0.12)


def test_a_patch_follows_from_seed_iteration_and_place_alone(tmp_path):
    planes = [(f"{n}.png", picture(n, 140, 120).transpose(2, 0, 1)) for n in range(3)]
    filling = cached_pictures(tmp_path, "hr", "test", lambda: planes)
    while True:
        try:
            next(filling)
        except StopIteration as end:
            pictures = end.value
            break
    recipe = load_recipe("esc-tiny-photo", changes({"scale": 2}, ["data.patch=24"]))
    source = PhotoSource(pictures, recipe)
    whole = source.batch(5, range(8))
    part = PhotoSource(pictures, recipe).batch(5, range(4, 8))
    assert torch.equal(whole.lr[4:], part.lr)
    assert torch.equal(whole.hr[4:], part.hr)
    assert whole.lr.shape == (8, 3, 24, 24)
    assert whole.hr.shape == (8, 3, 48, 48)
    assert not torch.equal(whole.lr, source.batch(6, range(8)).lr)
    small = torch.nn.functional.avg_pool2d(whole.hr.float(), 2)
    assert (small - whole.lr.float()).abs().mean() < 14  # the same place, but for what was done


def test_codecs_change_a_picture_less_at_a_higher_quality():
    pixels = picture(3, 64, 48)
    for through in (through_jpeg, through_webp):
        errors = [np.abs(through(pixels, q).astype(int) - pixels).mean() for q in (30, 60, 95)]
        assert errors[0] > errors[1] > errors[2] > 0
    assert not np.array_equal(through_jpeg(pixels, 75), through_jpeg(pixels, 75, "4:4:4"))


def test_a_film_changes_a_frame_less_at_a_lower_crf():
    pixels = picture(3, 65, 47)
    frames = (np.roll(pixels, 1, axis=0), pixels)
    errors = [np.abs(through_h264(frames, crf).astype(int) - pixels).mean() for crf in (40, 28, 8)]
    assert errors[0] > errors[1] > errors[2] > 0
    assert through_h264(frames, 28).shape == pixels.shape
    assert np.array_equal(through_h264(frames, 28), through_h264(frames, 28))


def test_films_follow_from_the_draw_alone():
    photo = replace(NOTHING, h264=1, crf=(30, 30))
    hr = picture(4, 96, 96)
    one, same = (degraded(hr, 2, photo, drawn(5)) for _ in range(2))
    assert np.array_equal(one, same)
    clean = degraded(hr, 2, NOTHING, drawn(5))
    assert 0 < np.abs(one.astype(int) - clean).mean() < 12


@pytest.mark.parametrize("level", LEVELS)
def test_a_fixed_copy_is_the_same_each_time_and_its_own_for_each_level(level):
    lr = torch.from_numpy(picture(4, 40, 32)).permute(2, 0, 1).contiguous()
    one, two = fixed_copy(lr, LEVELS[level]), fixed_copy(lr.clone(), LEVELS[level])
    assert one.dtype == torch.uint8
    assert one.shape == lr.shape
    assert torch.equal(one, two)
    assert torch.equal(one, lr) == (level == "clean")
