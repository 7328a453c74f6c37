"""Pictures of floating-point samples through the whole command."""

from __future__ import annotations

import io
import sys

import numpy as np
import pytest
import tifffile
from floats import exr_of, fits, hdr, light

from esc_cli.errors import MissingExtraError
from esc_cli.media.decode import decode, probe
from esc_cli.media.picture import Header

pytest.importorskip("OpenImageIO")
LIMIT = 10**6


def bright() -> np.ndarray:
    """Dark but for a square of light 50 times as bright as white."""
    pixels = np.full((32, 32, 3), 0.25, np.float32)
    pixels[8:24, 8:24] = 50
    return pixels


def float_tiff(pixels: np.ndarray) -> bytes:
    target = io.BytesIO()
    tifffile.imwrite(target, pixels.astype(">f4"), photometric="rgb", byteorder=">")
    return target.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "result"),
    [
        ("a.exr", exr_of, "a.exr"),
        ("b.hdr", hdr, "b.exr"),
        ("c.tif", float_tiff, "c.tif"),
        ("d.fits", lambda pixels: fits(np.moveaxis(pixels[::-1], 2, 0)), "d.tif"),
    ],
)
def test_highlights_survive_the_network(esc, tmp_path, name, make, result):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / name).write_bytes(make(bright()))
    call = (tmp_path / "in", "-s", 2, "-o", tmp_path / "out")
    ran = esc(*call)
    assert ran.code == 0, ran.err
    picture = decode(tmp_path / "out" / result, LIMIT)
    assert (picture.header.width, picture.header.height, picture.header.bits) == (64, 64, 32)
    middle = picture.frames[0][26:38, 26:38]
    np.testing.assert_allclose(middle, 50, rtol=0.1)
    np.testing.assert_allclose(picture.frames[0][:6, :6], 0.25, rtol=0.05)
    assert picture.frames[0].max() < 50 * 1.01
    again = esc(*call)
    assert "1 skipped" in again.err


def test_another_format_is_what_a_screen_shows_with_a_note(esc, tmp_path):
    (tmp_path / "a.exr").write_bytes(exr_of(bright()))
    ran = esc(tmp_path / "a.exr", "-s", 2, "-o", tmp_path / "a.png")
    assert ran.code == 0, ran.err
    assert "above 1 is cut off" in ran.err
    assert probe(tmp_path / "a.png", LIMIT) == Header("PNG", 64, 64, 3, 16, 1)
    assert decode(tmp_path / "a.png", LIMIT).frames[0][32, 32].min() == 65535


@pytest.mark.parametrize(
    ("module", "content", "package"),
    [
        ("OpenImageIO", exr_of(light()), "openimageio"),
        ("astropy.io", fits(light(1)[..., 0]), "astropy"),
    ],
)
def test_without_the_extra_the_failure_says_what_to_install(
    tmp_path, monkeypatch, module, content, package
):
    (tmp_path / "a").write_bytes(content)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=f"pip install {package}") as caught:
        probe(tmp_path / "a", LIMIT)
    assert caught.value.path == tmp_path / "a"
