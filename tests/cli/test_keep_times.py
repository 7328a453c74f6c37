"""Results that are dated as their inputs, and still are skipped."""

from __future__ import annotations

import os

import pytest
from archives import book, picture
from clips import Clip

THEN_NS = 1_000_000_000_123_456_789


@pytest.fixture
def album(tmp_path, draw):
    folder = tmp_path / "in"
    draw(folder / "a.png")
    draw(folder / "large.png", size=(40, 30))
    Clip(frames=3).write(folder / "b.mkv")
    book(folder / "c.cbz", [("1.png", picture("PNG", 1))])
    for number, path in enumerate(sorted(folder.iterdir())):
        os.utime(path, ns=(THEN_NS, THEN_NS + number * 10**10))
    return folder


def times(folder):
    return {path.stem: path.stat().st_mtime_ns for path in folder.iterdir() if path.stem[0] != "."}


def test_results_have_the_times_of_their_inputs_and_are_skipped(album, esc):
    words = (album, "-s", "2", "--keep-times", "--min-side", "30", "--large", "copy")
    ran = esc(*words)
    assert ran.code == 0, ran.err
    assert times(album.with_name("in_x2")) == times(album)
    assert "0 done, 4 skipped" in esc(*words).err


def test_a_changed_input_is_done_again_and_its_time_is_kept(album, esc, draw):
    assert esc(album, "-s", "2", "--keep-times").code == 0
    draw(album / "a.png", 5)
    os.utime(album / "a.png", ns=(THEN_NS, THEN_NS - 10**9))
    ran = esc(album, "-s", "2", "--keep-times", "--shard", "1/1")
    assert "1 done, 3 skipped" in ran.err
    assert times(album.with_name("in_x2"))["a"] == THEN_NS - 10**9
    # The later record counts, although the result is older.
    assert "0 done, 4 skipped" in esc(album, "-s", "2").err


def test_without_it_results_are_new(album, esc):
    assert esc(album, "-s", "2").code == 0
    assert min(times(album.with_name("in_x2")).values()) > THEN_NS + 10**17
