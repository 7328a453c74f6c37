"""Camera raw pictures through the whole command."""

from __future__ import annotations

import pytest
from PIL import Image
from raws import SIZE, dng

from esc_cli.media.decode import decode, probe

pytest.importorskip("rawpy")


@pytest.mark.parametrize(("options", "suffix"), [((), ".png"), (("-f", "tiff"), ".tiff")])
def test_a_folder_of_them_becomes_pictures_of_16_bits_once(esc, tmp_path, options, suffix):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "photo.DNG").write_bytes(dng(6))
    call = (tmp_path / "in", "-m", "esc-tiny", "-s", 2, "-o", tmp_path / "out", *options)
    ran = esc(*call)
    assert ran.code == 0, ran.err
    result = decode(tmp_path / "out" / f"photo{suffix}", 10**6)
    header = result.header
    assert (header.width, header.height) == (2 * SIZE[1], 2 * SIZE[0])
    assert (header.bits, header.channels) == (16, 3)
    block = Image.Exif()
    block.load(result.metadata.exif)
    assert (block[271], block.get(274, 1)) == ("Maker", 1)
    again = esc(*call)
    assert again.code == 0
    assert "1 skipped" in again.err


def test_the_network_is_chosen_by_itself(esc, tmp_path):
    (tmp_path / "photo.dng").write_bytes(dng())
    ran = esc(tmp_path / "photo.dng", "-s", 2, "-o", tmp_path / "photo.png")
    assert ran.code == 0, ran.err
    assert probe(tmp_path / "photo.png", 10**6).bits == 16
