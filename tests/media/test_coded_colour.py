"""Colour that an nclx box gives is kept where the format can hold it, and named."""

from __future__ import annotations

import struct

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


def with_aperture(content, numbers):
    """An AVIF of one item that has a clap box with these numbers besides."""
    where = {name: content.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma")}
    sizes = {name: struct.unpack_from(">I", content, at)[0] for name, at in where.items()}
    properties, at = 1, where[b"ipco"] + 8
    while at < where[b"ipco"] + sizes[b"ipco"]:
        at += struct.unpack_from(">I", content, at)[0]
        properties += 1
    made = bytearray(content)
    for name, longer in {b"meta": 41, b"iprp": 41, b"ipco": 40, b"ipma": 1}.items():
        struct.pack_into(">I", made, where[name], sizes[name] + longer)
    pixels = content.index(b"mdat") + 4
    place = content.index(struct.pack(">I", pixels), content.index(b"iloc"))
    struct.pack_into(">I", made, place, pixels + 41)
    made[where[b"ipma"] + 18] += 1
    end = where[b"ipma"] + sizes[b"ipma"]
    made[end:end] = bytes((0x80 | properties,))
    end = where[b"ipco"] + sizes[b"ipco"]
    made[end:end] = struct.pack(">I4s8i", 40, b"clap", *numbers)
    return bytes(made)


def test_the_clean_aperture_of_an_avif_is_cut_out(save):
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    content = save(noise, "AVIF", quality=90)
    picture = decode(with_aperture(content, (32, 1, 24, 1, -8, 1, 4, 1)), 10**6)
    assert (picture.header.width, picture.header.height) == (32, 24)
    np.testing.assert_array_equal(picture.frames[0], decode(content, 10**6).frames[0][16:40, 8:40])
    outside = decode(with_aperture(content, (32, 1, 24, 1, 99, 1, 4, 1)), 10**6)
    assert outside.header.width == 64
