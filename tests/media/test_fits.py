"""FITS pictures come in with their physical values, upright as astronomers see them."""

from __future__ import annotations

import gzip
import io
import sys

import numpy as np
import pytest
from floats import fits, light

from esc_cli.errors import MissingExtraError, ReadError, TooLargeError, UnsupportedError
from esc_cli.media.decode import decode, probe
from esc_cli.media.picture import Header

pytest.importorskip("astropy")
LIMIT = 10**6
HEADER_NOTE = "left out: the header of FITS"


@pytest.mark.parametrize("kind", ["u1", "i2", "f4"])
def test_numbers_are_exact_and_the_first_row_is_at_the_bottom(kind):
    samples = np.arange(600).reshape(20, 30).astype(kind)
    content = fits(samples)
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT) == Header("FITS", 30, 20, 1, 32, 1)
    np.testing.assert_array_equal(picture.frames[0][..., 0], samples[::-1])
    assert picture.notes == (HEADER_NOTE,)


@pytest.mark.parametrize("kind", ["i4", "i8", "f8"])
def test_numbers_that_float32_may_round_are_noted(kind):
    notes = decode(fits(np.ones((4, 5), kind)), LIMIT).notes
    assert f"its {8 * int(kind[1])} bits per sample become floating-point numbers of 32" in notes


def test_scale_zero_point_and_missing_numbers_are_applied():
    stored = np.array([[0, 100], [-32768, 7]], np.int16)
    picture = decode(fits(stored, BSCALE=2.0, BZERO=32768.0, BLANK=7), LIMIT)
    np.testing.assert_array_equal(picture.frames[0][..., 0], [[-32768, 0], [32768, 32968]])
    assert picture.notes == (HEADER_NOTE, "1 sample of NaN became 0")


def test_three_planes_are_colours_and_axes_of_one_do_not_count():
    planes = np.moveaxis(light(), 2, 0)
    np.testing.assert_array_equal(decode(fits(planes), LIMIT).frames[0], light()[::-1])
    alone = decode(fits(planes[:1, None]), LIMIT)
    np.testing.assert_array_equal(alone.frames[0][..., 0], light()[::-1, :, 0])


def test_a_picture_behind_an_empty_first_part_is_found_and_further_ones_are_named():
    empty = fits(np.zeros((0,), np.uint8)).replace(
        b"NAXIS   =                    1", b"NAXIS   =                    0"
    )
    empty = empty.replace(b"NAXIS1  =                    0", b"COMMENT  no picture here".ljust(30))
    picture = decode(empty + 2 * fits(light(1)[..., 0], first=False), LIMIT)
    np.testing.assert_array_equal(picture.frames[0], light(1)[::-1])
    assert picture.notes == (HEADER_NOTE, "left out: 1 further part of the file")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (fits(np.zeros((7, 4, 5), "f4")), "FITS of 5 x 4 x 7"),
        (fits(np.zeros(9, "f4")), "without a picture"),
    ],
)
def test_what_is_no_single_picture_is_refused(content, words):
    with pytest.raises(UnsupportedError, match=words):
        probe(content, LIMIT)


def test_limits_and_damage_are_told():
    content = fits(np.zeros((90, 80), "f4"))
    with pytest.raises(TooLargeError, match="--max-pixels"):
        probe(content, 7199)
    with pytest.raises(ReadError, match="cut short"):
        decode(content[:9000], LIMIT)
    picture = decode(content[:9000], LIMIT, allow_truncated=True)
    assert any("what is missing is empty" in note for note in picture.notes)
    with pytest.raises(ReadError):
        probe(content[:300], LIMIT)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1"])
def test_compressed_pictures_are_whole_and_cut_ones_are_not(kind):
    from astropy.io import fits as library

    samples = np.random.default_rng(0).integers(0, 1000, (100, 120), np.int16)
    target = io.BytesIO()
    packed = library.CompImageHDU(samples, compression_type=kind)
    library.HDUList([library.PrimaryHDU(), packed]).writeto(target)
    content = target.getvalue()
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0][..., 0], samples[::-1])
    with pytest.raises(ReadError):
        decode(content[:-5760], LIMIT)


def test_a_tile_that_unpacks_to_more_than_the_picture_is_damage():
    from astropy.io import fits as library

    target, made = io.BytesIO(), io.BytesIO()
    packed = library.CompImageHDU(np.zeros((20, 30), np.int16), compression_type="GZIP_1")
    library.HDUList([library.PrimaryHDU(), packed]).writeto(target)
    bomb = np.frombuffer(gzip.compress(bytes(1 << 24)), np.uint8)
    with library.open(io.BytesIO(target.getvalue()), disable_image_compression=True) as parts:
        tiles = [np.asarray(tile) for tile in parts[1].data["COMPRESSED_DATA"]]
        column = np.empty(len(tiles), object)
        column[:] = [bomb, *tiles[1:]]
        form = f"1PB({len(bomb)})"
        columns = [library.Column("COMPRESSED_DATA", form, array=column)]
        table = library.BinTableHDU.from_columns(columns)
        for card in parts[1].header.cards:
            if card.keyword.startswith("Z"):
                table.header.append(card)
        library.HDUList([library.PrimaryHDU(), table]).writeto(made)
    with pytest.raises(ReadError, match="unpacks to more"):
        decode(made.getvalue(), LIMIT)


def test_without_astropy_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "astropy.io", None)
    with pytest.raises(MissingExtraError, match="pip install astropy"):
        probe(fits(np.zeros((4, 5), "f4")), LIMIT)
