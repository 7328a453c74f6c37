"""Colour that an nclx box gives is kept where the format can hold it, and named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from avifs import with_property

from esc_cli.media.decode import decode
from esc_cli.media.lost_content import lost


@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 16), (9, 18)])
def test_nclx_colour_becomes_cicp_and_is_named(save, rgb, primaries, transfer):
    usual = save(rgb, "AVIF")
    at = usual.index(b"colrnclx") + 8
    content = usual[:at] + bytes((0, primaries, 0, transfer)) + usual[at + 4 :]
    picture = decode(content, 10**6)
    assert picture.metadata.png_colour == ((b"cICP", bytes((primaries, transfer, 0, 1))),)
    (note,) = lost(picture, "WEBP")
    assert "colour space" in note
    assert lost(picture, "AVIF") == ()
    assert decode(usual, 10**6).metadata.png_colour == ()
    assert decode(usual, 10**6).notes == ()


def with_aperture(content, numbers):
    return with_property(content, b"clap", struct.pack(">8i", *numbers))


def test_the_clean_aperture_of_an_avif_is_cut_out(save):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    content = save(noise, "AVIF", quality=90)
    picture = decode(with_aperture(content, (32, 1, 24, 1, -8, 1, 4, 1)), 10**6)
    assert (picture.header.width, picture.header.height) == (32, 24)
    np.testing.assert_array_equal(picture.frames[0], decode(content, 10**6).frames[0][16:40, 8:40])
    outside = decode(with_aperture(content, (32, 1, 24, 1, 99, 1, 4, 1)), 10**6)
    assert outside.header.width == 64
