"""The way of floating-point pictures through a network loses nothing of their range."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from esc_cli.media.floating import srgb_curve
from esc_cli.media.picture import Header, Metadata, Picture
from esc_cli.tasks.upscale.picture import PictureUpscaler
from esc_cli.tasks.upscale.tone_curve import ToneCurve

DRAW = np.random.default_rng(7)
RANGES = {
    "display": DRAW.random(4000),
    "highlights": DRAW.random(4000) ** 8 * 5000,
    "below zero": DRAW.standard_normal(4000),
    "counts of a sensor": DRAW.poisson(1000, 4000),
    "faint": DRAW.standard_normal(4000) * 1e-12,
    "all above white": DRAW.random(4000) + 3,
    "all below zero": -DRAW.random(4000) - 2,
    "one number": np.full(40, 5.0),
    "nothing": np.zeros(40),
    "the ends of float32": np.array([-3e38, 0, 1, 3e38] * 10),
}


def column(numbers: np.ndarray) -> np.ndarray:
    return numbers.astype(np.float32).reshape(-1, 1, 1)


@pytest.mark.parametrize("name", RANGES)
def test_every_range_goes_into_0_to_1_and_back(name):
    light = column(RANGES[name])
    curve = ToneCurve.of(light)
    bent = curve.bent(light)
    assert bent.min() > -1e-6
    assert bent.max() < 1 + 1e-6
    np.testing.assert_allclose(curve.light(bent), light, rtol=3e-5, atol=curve.unit * 1e-6)


@pytest.mark.parametrize("name", RANGES)
def test_brighter_light_never_becomes_darker(name):
    light = np.sort(column(RANGES[name]), axis=0)
    assert (np.diff(ToneCurve.of(light).bent(light), axis=0) >= 0).all()


def test_light_that_a_screen_shows_goes_by_srgb_alone():
    light = column(RANGES["display"])
    np.testing.assert_array_equal(ToneCurve.of(light).bent(light), srgb_curve(light))


class Doubling:
    """What a network of scale 2 would give that repeats each pixel; it asks for fp32."""

    config = SimpleNamespace(scale=2, any_scale=False)
    exactly = False

    def exact(self):
        other = Doubling()
        other.exactly = True
        return other

    def upscale(self, image, **_):
        assert self.exactly
        result = image.repeat_interleave(2, 2).repeat_interleave(2, 3)
        return SimpleNamespace(image=result, tile=0, precision="fp32", notes=())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pictures_keep_highlights_and_what_is_below_zero(channels):
    pixels = DRAW.standard_normal((6, 8, channels)).astype(np.float32) * 20
    if channels in (2, 4):
        pixels[..., -1] = DRAW.random((6, 8))
        pixels[:3] = 0
        pixels[3, 3] = 7  # light without opacity, as of a flame
        pixels[3, 3, -1] = 0
    picture = Picture(Header("EXR", 8, 6, channels, 32, 1), (pixels,), (), None, Metadata())
    result = PictureUpscaler(Doubling(), (16, 12), lambda: None).run(picture)
    expected = pixels.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_allclose(result.frames[0], expected, rtol=2e-5, atol=2e-5)
    assert result.header == Header("EXR", 16, 12, channels, 32, 1)


def test_black_stays_exactly_black():
    pixels = np.zeros((8, 8, 3), np.float32)
    pixels[6:, 6:] = -3
    picture = Picture(Header("EXR", 8, 8, 3, 32, 1), (pixels,), (), None, Metadata())
    result = PictureUpscaler(Doubling(), (16, 16), lambda: None).run(picture)
    assert (result.frames[0][:8, :8] == 0).all()
