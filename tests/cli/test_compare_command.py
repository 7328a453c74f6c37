"""`esc compare`: what cannot be written is found before the work."""

from __future__ import annotations

import subprocess

import pytest


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
