"""Transparency: edges do not bleed, opaque stays opaque, grey stays grey."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

SIDE = 32
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE]
DISC = (ROWS - 15.5) ** 2 + (COLUMNS - 15.5) ** 2 < 10**2


def disc(background):
    """Opaque red on transparent `background`."""
    image = np.empty((SIDE, SIDE, 4), np.uint8)
    image[...] = (*background, 0)
    image[DISC] = (255, 0, 0, 255)
    return image


@pytest.fixture(scope="module", params=["4", "2.5", "1.5"])
def results(request, tmp_path_factory, esc):
    folder = tmp_path_factory.mktemp("alpha")
    (folder / "in").mkdir()
    opaque = np.dstack([disc((9, 99, 199))[..., :3], np.full((SIDE, SIDE), 255, np.uint8)])
    grey = np.dstack([np.where(DISC, 200, 0), np.where(DISC, 255, 0)]).astype(np.uint8)
    for name, pixels in {
        "black": disc((0, 0, 0)),
        "green": disc((0, 255, 0)),
        "opaque": opaque,
        "grey": grey,
        "clear": np.zeros((SIDE, SIDE, 4), np.uint8),
    }.items():
        Image.fromarray(pixels).save(folder / "in" / f"{name}.png")
    Image.fromarray(np.where(DISC, 200, 30).astype(np.uint8)).save(folder / "in" / "plain.png")
    ran = esc("in", "-o", "out", "--scale", request.param, cwd=folder)
    assert ran.code == 0, ran.err
    return {path.stem: np.asarray(Image.open(path)) for path in (folder / "out").glob("*.png")}


@pytest.mark.parametrize("name", ["black", "green"])
def test_a_red_disc_is_red_up_to_its_edge(results, name):
    image = results[name].astype(int)
    seen = image[..., 3] >= 64
    edge = seen & (image[..., 3] < 250)
    assert image[edge][:, 0].mean() > 225  # with the background's colour in it: about 150
    assert image[seen][:, 0].min() > 128
    assert image[seen][:, 1:3].max() < 70
    assert np.abs(image[image[..., 3] == 255][:, 0] - 255).mean() < 12


def test_the_shape_of_the_opacity_is_kept(results):
    alpha = results["black"][..., 3]
    share = alpha.astype(float).mean() / 255
    assert share == pytest.approx(DISC.mean(), rel=0.03)
    assert alpha[0].max() <= 8
    assert alpha[alpha.shape[0] // 2, alpha.shape[1] // 2] >= 250


def test_hidden_colour_makes_no_difference(results):
    black, green = results["black"], results["green"]
    seen = black[..., 3] > 8
    assert np.array_equal(black[..., 3], green[..., 3])
    assert np.array_equal(black[seen], green[seen])


def test_opaque_stays_opaque(results):
    alpha = results["opaque"][..., 3]
    assert alpha.min() == 255


def test_fully_transparent_stays_so(results):
    assert results["clear"][..., 3].max() <= 8


def test_grey_with_alpha_stays_grey_and_does_not_darken(results):
    grey = results["grey"].astype(int)
    assert grey.shape[2] == 2
    seen = grey[..., 1] >= 64
    assert grey[seen & (grey[..., 1] < 250)][:, 0].mean() > 175
    assert grey[seen][:, 0].min() > 100


def test_plain_grey_stays_one_channel(results):
    assert results["plain"].ndim == 2
