"""Camera raw pictures come out as LibRaw develops them, upright, in 16 bits."""

from __future__ import annotations

import contextlib
import io
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from raws import SIZE, dng, mosaic

from esc_cli.errors import EscError, MissingExtraError, ReadError, TooLargeError, UnsupportedError
from esc_cli.media import raw
from esc_cli.media.decode import decode, probe
from esc_cli.media.formats import RAW_SUFFIXES, OutputPlan, plan_output
from esc_cli.media.paths import REFUSED
from esc_cli.media.picture import Header
from esc_cli.media.sniff import sniff
from esc_cli.media.video.demuxers import is_video

rawpy = pytest.importorskip("rawpy")
LIMIT = 10**6


def developed(content: bytes) -> np.ndarray:
    with rawpy.imread(io.BytesIO(content)) as opened:
        return opened.postprocess(
            use_camera_wb=True, no_auto_bright=True, output_bps=16, gamma=(2.4, 12.92)
        )


@pytest.mark.slow
@pytest.mark.parametrize("turned", range(1, 9))
def test_a_dng_is_as_rawpy_develops_it_and_upright(turned):
    content = dng(turned)
    picture = decode(content, LIMIT)
    size = SIZE if turned < 5 else SIZE[::-1]
    assert picture.header == probe(content, LIMIT) == Header("RAW", *size, 3, 16, 1)
    assert picture.frames[0].dtype == np.uint16
    np.testing.assert_array_equal(picture.frames[0], developed(content))
    assert picture.notes == ()
    brightest = picture.frames[0][..., 1].astype(float)
    first, last = slice(0, 20), slice(-20, None)
    rows = last if turned in (3, 4, 7, 8) else first
    columns = last if turned in (2, 3, 6, 7) else first
    assert brightest[rows, columns].min() > brightest.mean()


def test_the_white_balance_of_the_camera_is_used_and_its_absence_is_told():
    # The sensor gave 2 : 4 : 1, which is grey if the file says that this is white.
    for neutral, grey in (((1, 2, 1, 1, 1, 4), True), ((1, 1, 1, 1, 1, 1), False)):
        picture = decode(dng(neutral=neutral), LIMIT)
        pixel = picture.frames[0][40, 60].astype(float)
        assert (pixel.max() - pixel.min() < 0.01 * pixel.mean()) == grey
        assert picture.notes == ()
    (note,) = decode(dng(neutral=None), LIMIT).notes
    assert note.startswith("it names no white balance")


def test_exif_and_xmp_go_along_and_what_tells_of_the_sensor_does_not():
    metadata = decode(dng(6), LIMIT).metadata
    block = Image.Exif()
    block.load(metadata.exif)
    assert (block[271], block[272], block.get(274, 1)) == ("Maker", "Camera", 1)
    assert not {33421, 33422, *range(50706, 51000)} - {50708} & set(block)
    assert block[50708] == "Maker Camera"
    assert metadata.xmp == b"<x/>"
    assert metadata.icc[16:20] == b"RGB "


@pytest.mark.parametrize(
    ("tag", "words"),
    [
        ((23, "H", 1, 80, True), "left out: Panasonic's tags of the sensor"),
        ((50740, "B", 6, b"Maker\0", True), "left out: private data of its maker"),
    ],
)
def test_tags_that_mean_nothing_outside_a_raw_file_are_named(tag, words):
    picture = decode(dng(further=(tag,)), LIMIT)
    (note,) = picture.notes
    assert note.startswith(words)
    block = Image.Exif()
    block.load(picture.metadata.exif)
    assert tag[0] not in block


def test_camera_lens_and_file_are_still_named_by_tags_of_dng():
    serial, name = (50735, "s", 0, "A 123", True), (50827, "s", 0, "P1.RW2", True)
    block = Image.Exif()
    block.load(decode(dng(further=(serial, name)), LIMIT).metadata.exif)
    assert (block[50735], block[50827]) == ("A 123", "P1.RW2")


def test_a_raw_picture_becomes_a_png_unless_another_format_is_asked_for():
    header = Header("RAW", 90, 60, 3, 16, 1)
    assert plan_output(header, (360, 240), None, ".dng") == OutputPlan("PNG", ".png")
    assert plan_output(header, (360, 240), "tiff", ".NEF") == OutputPlan("TIFF", ".tiff")


def test_a_raw_picture_is_told_from_a_tiff_by_any_of_its_directories():
    target = io.BytesIO()
    with tifffile.TiffWriter(target) as writer:
        thumbnail = np.zeros((8, 12, 3), np.uint8)
        writer.write(thumbnail, photometric="rgb", subfiletype=1, subifds=1)
        writer.write(mosaic(), photometric="cfa", extratags=[(33421, "H", 2, (2, 2), True)])
    assert raw.is_raw(target)
    assert target.tell() == 0
    plain = io.BytesIO()
    tifffile.imwrite(plain, np.zeros((2, 8, 12, 3), np.uint8), photometric="rgb")
    assert not raw.is_raw(plain)
    assert not raw.is_raw(io.BytesIO(b"II*\0\x08\0\0\0"))


@pytest.mark.parametrize(
    "head",
    [
        b"II*\0\x10\0\0\0CR\2\0",
        b"II*\0\x10\0\0\0IIIICwaR",
        b"II\x1a\0\0\0HEAPCCDR",
        b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
        b"FUJIFILMCCD-RAW 0201",
        b"IIRO\x08\0\0\0",
        b"MMOR\0\0\0\x08",
        b"IIU\0\x18\0\0\0",
        b"\0MRM\0\1\0\0",
        b"FOVb\0\0\2\0",
    ],
)
def test_the_makers_are_known_by_their_first_bytes_and_rubbish_behind_is_refused(head, capfd):
    assert sniff(head.ljust(512, b"\0")) == "RAW"
    with pytest.raises((ReadError, UnsupportedError)):
        probe(head.ljust(3000, b"\0"), LIMIT)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("share", [0.05, 0.5, 0.99])
def test_one_that_is_cut_short_is_an_error_without_a_word_of_libraw(share, capfd):
    content = dng()
    with pytest.raises(ReadError, match="damaged"):
        decode(content[: int(len(content) * share)], LIMIT)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("tag", [273, 279])
def test_pixels_that_lie_outside_the_file_are_missing_and_not_black(tag):
    content = bytearray(dng())
    entry = content.index(tag.to_bytes(2, "little") + b"\4\0\1\0\0\0")
    content[entry + 8 : entry + 12] = (10**6).to_bytes(4, "little")
    with pytest.raises(ReadError, match="cut short"):
        probe(bytes(content), LIMIT)


def test_a_sensor_of_nothing_but_zeros_is_no_picture(tmp_path):
    black = io.BytesIO()
    options = {"photometric": "cfa", "extratags": [(33421, "H", 2, (2, 2), True)]}
    tags = [(50706, "B", 4, (1, 4, 0, 0), True), (33422, "B", 4, (0, 1, 1, 2), True)]
    options["extratags"] += tags
    tifffile.imwrite(black, mosaic() * 0, metadata=None, **options)
    with pytest.raises(ReadError, match="nothing of its pixels"):
        decode(black.getvalue(), LIMIT)


@pytest.mark.slow
def test_flipped_bits_in_a_header_raise_nothing_but_our_errors(capfd):
    random, content = np.random.default_rng(5), dng()
    for _ in range(12):
        damaged = bytearray(content)
        damaged[random.integers(0, 400)] ^= 1 << random.integers(0, 8)
        with contextlib.suppress(EscError):
            probe(bytes(damaged), LIMIT)
    assert capfd.readouterr() == ("", "")


def test_the_limit_of_pixels_counts_before_anything_is_developed():
    with pytest.raises(TooLargeError, match="--max-pixels"):
        probe(dng(), 96 * 64 - 1)
    with pytest.raises(TooLargeError, match="a sensor of 96 x 64"):
        probe(dng(), 1000)
    assert probe(dng(), 96 * 64).width == 96


def test_without_rawpy_it_says_what_to_install(monkeypatch, tmp_path):
    path = tmp_path / "photo.dng"
    path.write_bytes(dng())
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(MissingExtraError, match="pip install rawpy") as caught:
        probe(path, LIMIT)
    assert caught.value.path == path


def test_no_suffix_of_a_raw_picture_is_on_the_list_of_what_is_refused():
    assert {".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"} <= RAW_SUFFIXES
    assert not REFUSED & RAW_SUFFIXES


@pytest.mark.parametrize("name", ["photo.cr3", "photo"])
def test_the_raw_pictures_that_are_built_like_a_film_are_no_videos(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom\0\0\0\x08moov")
    assert not is_video(path)
