"""How large results are, in the ways that people think of sizes, and what is large enough."""

from __future__ import annotations

import json
from fractions import Fraction

import av
import pytest
from clips import ROTATE_90, Clip
from PIL import Image


def size_of(path):
    with Image.open(path) as image:
        return image.size


@pytest.mark.parametrize(
    ("words", "size", "label"),
    [
        (("--shortest-side", 36), (48, 36), "s36"),
        (("--shortest-side", 6), (8, 6), "s6"),
        (("--longest-side", 24), (24, 18), "l24"),
        (("--megapixels", 0.001728), (48, 36), "0.001728mp"),
        (("--megapixels", 0.0001), (12, 9), "0.0001mp"),
    ],
)
def test_a_result_has_the_size_that_is_asked_for(tmp_path, esc, draw, words, size, label):
    draw(tmp_path / "a.png")
    ran = esc("a.png", *words, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert size_of(tmp_path / f"a_{label}.png") == size


def test_sizes_mean_a_turned_picture_as_it_is_shown(tmp_path, esc, draw):
    exif = Image.Exif()
    exif[0x0112] = 6
    draw(tmp_path / "a.jpg", exif=exif)  # 12 x 9 stored, 9 x 12 shown
    assert esc("a.jpg", "--width", 18, cwd=tmp_path).code == 0
    assert size_of(tmp_path / "a_w18.jpg") == (18, 24)


def test_sizes_mean_a_turned_video_as_it_is_shown(tmp_path, esc):
    Clip(frames=3, size=(32, 24), rotation=ROTATE_90).write(tmp_path / "a.mp4")
    assert esc("a.mp4", "--shortest-side", 48, cwd=tmp_path).code == 0
    assert esc("a.mp4", "--width", 48, cwd=tmp_path).code == 0
    for name in ("a_s48.mp4", "a_w48.mp4"):
        with av.open(str(tmp_path / name)) as container:
            stream = container.streams.video[0]
            assert (stream.width, stream.height) == (64, 48)
            assert stream.sample_aspect_ratio in (None, Fraction(1))


def test_ways_exclude_each_other(tmp_path, esc, draw):
    draw(tmp_path / "a.png")
    for words in (("--megapixels", 1, "-s", 2), ("--shortest-side", 9, "--width", 9)):
        ran = esc("a.png", *words, cwd=tmp_path)
        assert ran.code == 2
        assert "exclude each other" in ran.err
    assert esc("a.png", "--megapixels", 0, cwd=tmp_path).code == 2
    assert esc("a.png", "--large", "copy", cwd=tmp_path).code == 2


@pytest.fixture
def album(tmp_path, draw):
    draw(tmp_path / "in" / "small.png")
    draw(tmp_path / "in" / "deep" / "large.jpg", size=(40, 30))
    draw(tmp_path / "in" / "narrow.png", size=(40, 29))
    return tmp_path / "in"


def test_what_is_large_enough_is_skipped_and_named(album, esc, tmp_path):
    ran = esc(album, "--min-side", 30, "--report", tmp_path / "r.jsonl")
    assert ran.code == 0
    assert "2 done, 1 skipped" in ran.err
    lines = map(json.loads, (tmp_path / "r.jsonl").read_text().splitlines())
    (skipped,) = (line for line in lines if line["status"] == "skipped")
    assert skipped["input"].endswith("large.jpg")
    assert "30 pixels or more" in skipped["reason"]
    assert skipped["output"] is None


def test_what_is_large_enough_is_copied_byte_for_byte_and_once(album, esc):
    words = (album, "--min-side", 30, "--large", "copy", "--format", "webp")
    ran = esc(*words)
    assert ran.code == 0
    assert "3 done" in ran.err
    assert "copied" in ran.err
    copy = album.with_name("in_x4") / "deep" / "large.jpg"
    assert copy.read_bytes() == (album / "deep" / "large.jpg").read_bytes()
    assert "0 done, 3 skipped" in esc(*words).err
    # Without --min-side it is no finished result.
    assert "1 done, 2 skipped" in esc(album, "--format", "webp").err
    assert size_of(album.with_name("in_x4") / "deep" / "large.webp") == (160, 120)


def test_a_copy_stands_for_no_smaller_result(album, esc):
    sizes = ("--longest-side", 20, "--min-side", 30, "--large", "copy")
    assert esc(album, "-o", "out", *sizes, cwd=album.parent).code == 0
    assert size_of(album.parent / "out" / "deep" / "large.jpg") == (40, 30)
    assert esc(album, "-o", "out", "--longest-side", 20, cwd=album.parent).code == 0
    assert size_of(album.parent / "out" / "deep" / "large.jpg") == (20, 15)
