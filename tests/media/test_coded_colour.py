"""Colour that an nclx box gives is kept where the format can hold it, and named."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from esc_cli.media.decode import decode


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 16), (9, 18)])
def test_nclx_colour_becomes_cicp_and_is_named(save, rgb, primaries, transfer):
    usual = save(rgb, "AVIF")
    at = usual.index(b"colrnclx") + 8
    content = usual[:at] + bytes((0, primaries, 0, transfer)) + usual[at + 4 :]
    picture = decode(content, 10**6)
    assert picture.metadata.png_colour == ((b"cICP", bytes((primaries, transfer, 0, 1))),)
    assert "colour space" in picture.notes[0]
    assert decode(usual, 10**6).metadata.png_colour == ()
    assert decode(usual, 10**6).notes == ()


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_the_depth_of_an_avif_that_is_not_kept_is_named(bits):
    ramp = np.linspace(0, 2**bits - 1, 64 * 48 * 3).reshape(48, 64, 3)
    pixels = ramp.astype(np.uint8 if bits == 8 else np.uint16)
    picture = decode(imagecodecs.avif_encode(pixels, bitspersample=bits), 10**6)
    expected = (f"its {bits} bits per channel are read as 8",) if bits > 8 else ()
    assert picture.notes == expected
