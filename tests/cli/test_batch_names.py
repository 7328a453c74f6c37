"""Where results go: collisions, inputs that must survive, links, and earlier outputs."""

from __future__ import annotations

import os
import unicodedata

import pytest
from PIL import Image


def test_results_of_one_name_keep_their_own_suffix(tmp_path, esc, draw, contents, size):
    names = ["a.jpg", "a.png", "b.JPG", "b.jpg", "c.png", "e\u0301.png", "\u00e9.png"]
    for number, name in enumerate(names):
        draw(tmp_path / "in" / name, number, (10 + number, 9))
    ran = esc("in", "--format", "png", cwd=tmp_path)
    assert ran.code == 0, ran.err
    results = contents(tmp_path / "in_x4")
    assert len(results) == len(names)
    assert {"a.jpg.png", "a.png.png", "c.png"} <= set(results)
    keys = {unicodedata.normalize("NFC", name).casefold() for name in results}
    assert len(keys) == len(names)  # also where the file system knows no case
    widths = sorted(size(tmp_path / "in_x4" / name)[0] for name in results)
    assert widths == [40 + 4 * number for number in range(len(names))]
    again = esc("in", "--format", "png", cwd=tmp_path)
    assert f"0 done, {len(names)} skipped" in again.err


def test_folders_of_one_name_do_not_hide_each_other(tmp_path, esc, draw, contents):
    for number, folder in enumerate(["x/pics", "y/pics", "other"]):
        draw(tmp_path / folder / "a.png", number)
    ran = esc("x/pics", "y/pics", "other", "-o", "out", cwd=tmp_path)
    assert ran.code == 0, ran.err
    results = contents(tmp_path / "out")
    assert len(results) == 3
    assert len(set(results.values())) == 3
    assert "other/a.png" in results


@pytest.mark.parametrize(
    "arguments",
    [
        ["in/a.png", "-o", "in/a.png"],
        ["in/a.png", "-o", "in", "--name", "{stem}"],
        ["in", "-o", "in"],
        ["in", "-o", "./in/../in/"],
        ["in", "-o", "link"],
        ["in/a.png", "-o", "hard/../link/a.png"],
        ["in", "-o", "in", "--existing", "overwrite"],
        ["in", "-o", "in", "--scale", "1"],
    ],
)
def test_an_output_that_is_an_input_is_refused_before_any_work(
    tmp_path, esc, draw, contents, arguments
):
    draw(tmp_path / "in" / "a.png", 1)
    draw(tmp_path / "in" / "b.png", 2)
    (tmp_path / "hard").mkdir()
    (tmp_path / "link").symlink_to("in")
    before = contents(tmp_path)
    ran = esc(*arguments, cwd=tmp_path)
    assert ran.code == 2, ran.err
    assert len(ran.err.splitlines()) == 1
    assert contents(tmp_path) == before


def test_an_input_that_cannot_be_read_is_still_never_overwritten(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "a.jpg").write_text("precious, though no picture")
    ran = esc("in", "-o", "in", "--format", "jpg", "--existing", "overwrite", cwd=tmp_path)
    assert ran.code in (1, 2)
    assert (tmp_path / "in" / "a.jpg").read_text() == "precious, though no picture"


def test_an_input_that_a_result_would_go_over_is_named_with_the_other(tmp_path, esc, draw):
    draw(tmp_path / "a.png")
    draw(tmp_path / "a_x4.png")
    ran = esc("a.png", "a_x4.png", cwd=tmp_path)
    assert ran.code == 2
    assert "a_x4.png: is an input and would be overwritten by the result of a.png" in ran.err


def test_a_hard_link_to_an_input_is_not_replaced(tmp_path, esc, draw):
    source = draw(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    os.link(source, tmp_path / "out" / "a.png")
    ran = esc("in", "-o", "out", "--existing", "overwrite", cwd=tmp_path)
    assert ran.code == 1
    assert (tmp_path / "out" / "a.png").samefile(source)
    assert len(ran.lines_naming("a.png: ")) == 1


def test_an_output_folder_inside_the_input_is_not_upscaled_again(tmp_path, esc, draw, contents):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "sub" / "b.png")
    for done in (2, 0):
        ran = esc("in", "-o", "in/results", cwd=tmp_path)
        assert ran.code == 0, ran.err
        assert f"{done} done, {2 - done} skipped, 0 failed" in ran.err
        assert set(contents(tmp_path / "in" / "results")) == {"a.png", "sub/b.png"}
    ran = esc("in", "-o", "elsewhere", "--dry-run", cwd=tmp_path)
    assert len(ran.out.splitlines()) == 2


def test_the_same_glob_twice_does_not_upscale_results_again(tmp_path, esc, draw):
    for number, name in enumerate(["a.png", "b.jpg"]):
        draw(tmp_path / name, number)
    assert esc("a.png", "b.jpg", cwd=tmp_path).code == 0
    everything = sorted(path.name for path in tmp_path.glob("*.*g"))
    assert everything == ["a.png", "a_x4.png", "b.jpg", "b_x4.jpg"]
    ran = esc(*everything, cwd=tmp_path)
    assert ran.code == 0
    assert "0 done, 2 skipped, 0 failed" in ran.err
    assert len(ran.lines_naming("earlier output")) == 2
    assert sorted(path.name for path in tmp_path.glob("*.*g")) == everything
    ran = esc(".", "-o", "new", "--dry-run", cwd=tmp_path)
    assert [line.split()[2] for line in ran.out.splitlines()] == ["new/a.png", "new/b.jpg"]
    for words in ((), ("--include-outputs",)):  # named on purpose
        ran = esc("a_x4.png", "--dry-run", *words, cwd=tmp_path)
        assert "would write a_x4_x4.png" in ran.out
    (tmp_path / "large").mkdir()
    assert esc("a.png", "-o", "large/", cwd=tmp_path).code == 0
    nothing = esc("large", cwd=tmp_path)
    assert nothing.code == 2
    assert "nothing but earlier outputs" in nothing.err


def test_the_current_folder_gets_a_sibling(tmp_path, esc, draw, size):
    draw(tmp_path / "album" / "a.png")
    ran = esc(".", cwd=tmp_path / "album")
    assert ran.code == 0, ran.err
    assert size(tmp_path / "album_x4" / "a.png") == (48, 36)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["album", "album_x4"]


def test_links_are_followed_and_a_circle_is_named(tmp_path, esc, draw, size):
    draw(tmp_path / "store" / "deep" / "far.png", 1)
    draw(tmp_path / "in" / "a.png", 2)
    (tmp_path / "in" / "file.png").symlink_to("../store/deep/far.png")
    draw(tmp_path / "store" / "folder" / "near.png", 3)
    (tmp_path / "in" / "linked").symlink_to("../store/folder")
    (tmp_path / "store" / "folder" / "back").symlink_to("../../in")
    ran = esc("in", cwd=tmp_path)
    assert ran.code == 1
    for name in ("a.png", "file.png", "linked/near.png"):
        assert size(tmp_path / "in_x4" / name) == (48, 36)
    assert len(ran.lines_naming("in/linked/back: ")) == 1
    assert "3 done, 0 skipped, 1 failed" in ran.err


def test_a_picture_that_two_names_of_a_tree_share_is_not_lost(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a" / "p.png")
    (tmp_path / "in" / "b").mkdir()
    (tmp_path / "in" / "b" / "p.png").symlink_to("../a/p.png")
    ran = esc("in", cwd=tmp_path)
    assert ran.code == 0
    there = (tmp_path / "in_x4" / "b" / "p.png").exists()
    assert there or ran.lines_naming("in/b/p.png")  # done, or said to be left out


@pytest.mark.parametrize(
    ("pattern", "options", "expected"),
    [
        ("{stem}_x{scale}", ["--scale", "4"], "some.name_x4.png"),
        ("{stem}_x{scale}", ["--scale", "2.5"], "some.name_x2.5.png"),
        ("{label}-{stem}-{width}x{height}", ["--width", "66"], "w66-some.name-66x42.png"),
        ("{{{stem}}}", [], "{some.name}.png"),
        ("gro\u00df \N{GRINNING FACE} {stem}", [], "gro\u00df \N{GRINNING FACE} some.name.png"),
    ],
)
def test_name_patterns(tmp_path, esc, pattern, options, expected):
    Image.new("RGB", (33, 21)).save(tmp_path / "some.name.png")
    ran = esc("some.name.png", "-n", "--name", pattern, *options, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert f"would write {expected} (" in ran.out


@pytest.mark.parametrize(
    "pattern",
    ["{foo}", "{stem", "../{stem}", "", "{stem:{foo}}", "{width:05d}", "{stem.__class__}"],
)
def test_wrong_name_patterns_are_wrong_usage(tmp_path, esc, draw, pattern):
    draw(tmp_path / "a.png")
    ran = esc("a.png", "--dry-run", "--name", pattern, cwd=tmp_path)
    assert ran.code == 2, ran.err
    assert ran.lines_naming("--name")
    assert ran.out == ""


def test_one_name_for_all_is_numbered(tmp_path, esc, draw, contents):
    for number in range(4):
        draw(tmp_path / "in" / f"{number}.png", number)
    ran = esc("in", "--name", "same", cwd=tmp_path)
    assert ran.code == 0, ran.err
    results = contents(tmp_path / "in_x4")
    assert len(results) == len(set(results.values())) == 4


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"a.png", "b.jpg", "raw/c.png", "raw/deep/d.png"}),
        (["--no-recursive"], {"a.png", "b.jpg"}),
        (["--include", "*.jpg"], {"b.jpg"}),
        (["--include", "raw/*", "--include", "b.*"], {"b.jpg", "raw/c.png", "raw/deep/d.png"}),
        (["--exclude", "raw/*"], {"a.png", "b.jpg"}),
        (["--include", "*.png", "--exclude", "raw/deep/*"], {"a.png", "raw/c.png"}),
    ],
)
def test_include_exclude_and_no_recursive(tmp_path, esc, draw, options, expected):
    for name in ("a.png", "b.jpg", "raw/c.png", "raw/deep/d.png", ".hidden/e.png"):
        draw(tmp_path / "in" / name)
    ran = esc("in", "-o", "out", "--dry-run", *options, cwd=tmp_path)
    assert ran.code == 0, ran.err
    written = {line.split()[2].removeprefix("out/") for line in ran.out.splitlines()}
    assert written == expected


def test_an_include_that_matches_nothing_is_no_input(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    ran = esc("in", "--include", "*.jpg", cwd=tmp_path)
    assert ran.code == 2
    assert ran.lines_naming("in: no pictures")
