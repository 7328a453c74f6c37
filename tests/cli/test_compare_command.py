"""`esc compare`: what cannot be written is found before the work."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(draw, tmp_path):
    return [draw(tmp_path / name, seed) for seed, name in enumerate(("a.png", "b.png"))]


@pytest.mark.parametrize("name", ["missing/c.png", "a.png/c.html", "folder.png"])
def test_a_place_that_cannot_be_written_is_found_before_any_picture_is_read(
    name, pictures, tmp_path, esc_command
):
    (tmp_path / "folder.png").mkdir()
    pictures[1].write_bytes(b"no picture")
    ran = esc_command("compare", *pictures, "-o", tmp_path / name)
    assert ran.code == 3
    assert str(tmp_path / name) in ran.err
    assert "b.png" not in ran.err


def test_a_disk_that_cannot_be_written_is_found_before_any_picture_is_read(
    pictures, tmp_path, esc_command, disk_of
):
    disk = disk_of("64k")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    pictures[1].write_bytes(b"no picture")
    ran = esc_command("compare", *pictures, "-o", disk / "c.png")
    assert ran.code == 3
    assert "b.png" not in ran.err


def test_the_sheet_is_written_where_it_can_be(pictures, tmp_path, esc_command):
    ran = esc_command("compare", *pictures, "-o", tmp_path / "c.png")
    assert ran.code == 0
    assert (tmp_path / "c.png").stat().st_size > 0


@pytest.fixture
def results(esc, draw, tmp_path):
    for number in range(3):
        draw(tmp_path / "in" / "sub" / f"{number}.png", number)
    Image.fromarray(np.full((9, 12), 40000, np.uint16)).save(tmp_path / "in" / "deep.png")
    Image.new("RGBA", (12, 9), (200, 10, 10, 128)).save(tmp_path / "in" / "glass.png")
    assert esc(tmp_path / "in", "-s", "2").code == 0
    return tmp_path / "in_x2"


def test_a_folder_of_results_is_shown_beside_its_sources(results, esc_command, tmp_path):
    page = tmp_path / "page.html"
    ran = esc_command("compare", results, "-o", page)
    assert ran.code == 0, ran.err
    text = page.read_text()
    assert text.count('<div class="slider">') == 5
    for name in ("sub/0.png", "sub/2.png", "deep.png", "glass.png"):
        assert f"<h3>{name} " in text
    assert "before, by bicubic" in text
    assert text.count("24&thinsp;&times;&thinsp;18 pixels") == 5


def test_sources_and_results_that_are_gone_or_damaged(results, esc_command, tmp_path):
    (tmp_path / "in" / "sub" / "0.png").unlink()
    (tmp_path / "in" / "sub" / "1.png").write_bytes(b"no picture")
    (results / "deep.png").unlink()
    ran = esc_command("compare", results, "-o", tmp_path / "page.html")
    assert ran.code == 1
    assert ran.lines_naming("0.png")
    assert ran.lines_naming("1.png")
    assert (tmp_path / "page.html").read_text().count('<div class="slider">') == 2


def test_a_page_has_a_limit_and_says_so(results, esc_command, tmp_path):
    ran = esc_command("compare", results, "-o", tmp_path / "page.html", "--limit", "2")
    assert ran.code == 0
    assert "3 more are not on the page" in ran.err
    assert (tmp_path / "page.html").read_text().count('<div class="slider">') == 2


def test_two_folders_are_compared_by_name(results, esc_command, tmp_path):
    ran = esc_command("compare", tmp_path / "in", results, "-o", tmp_path / "page.html")
    assert ran.code == 0
    text = (tmp_path / "page.html").read_text()
    assert text.count('<div class="slider">') == 5
    assert ">in_x2<" in text


def test_folders_in_which_there_is_nothing_to_show_are_refused(esc_command, tmp_path, results):
    (tmp_path / "empty").mkdir()
    page = tmp_path / "page.html"
    for words in ([tmp_path / "empty"], [tmp_path / "empty", results], [results] * 3):
        assert esc_command("compare", *words, "-o", page).code == 2
    assert esc_command("compare", results, "-o", tmp_path / "page.png").code == 2
    assert "no such file or folder" in esc_command("compare", tmp_path / "no", "-o", page).err
    assert not page.exists()
