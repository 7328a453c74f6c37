"""Results against their records: what is missing, changed, unknown, or of another source."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def results(esc, draw, tmp_path):
    for number in range(4):
        draw(tmp_path / "in" / "deep" / f"{number}.png", number)
    assert esc(tmp_path / "in", "-s", "2").code == 0
    return tmp_path / "in_x2"


def test_all_are_intact_wherever_the_folder_has_gone(results, esc_command, tmp_path):
    ran = esc_command("verify", results)
    assert (ran.code, ran.out) == (0, "")
    assert "4 intact, 0 not" in ran.err
    moved = tmp_path / "elsewhere"
    shutil.copytree(results, moved)  # with other times
    assert esc_command("verify", moved).code == 0


def test_what_is_not_as_it_was_is_named(results, esc_command, tmp_path, draw):
    deep = results / "deep"
    (deep / "0.png").unlink()
    content = bytearray((deep / "1.png").read_bytes())
    content[-20] ^= 1
    (deep / "1.png").write_bytes(content)
    draw(tmp_path / "in" / "deep" / "2.png", 99)
    (tmp_path / "in" / "deep" / "3.png").unlink()
    draw(results / "stranger.jpg")
    ran = esc_command("verify", results, "--json")
    assert ran.code == 1
    states = {
        line["path"].rpartition("/")[2]: line["state"]
        for line in map(json.loads, ran.out.splitlines())
    }
    assert states == {
        "0.png": "missing",
        "1.png": "changed",
        "2.png": "source changed",
        "3.png": "source gone",
        "stranger.jpg": "no record",
    }
    assert "1 intact, 4 not" in ran.err
    quiet = esc_command("verify", results, "--quiet")
    assert len(quiet.err.splitlines()) == 4


def test_a_folder_without_records_is_no_success(esc_command, tmp_path):
    assert esc_command("verify", tmp_path).code == 2
    assert esc_command("verify", tmp_path / "nowhere").code == 2
