"""Any name that a file can have: pictures and videos, done once, and none over another."""

from __future__ import annotations

import json
import os
import sys
import unicodedata

import av
import pytest
from clips import Clip

pytestmark = pytest.mark.skipif(
    sys.platform in ("win32", "darwin"), reason="file systems that refuse or change such names"
)

COMPOSED = "caf\u00e9"
NAMES = [
    "r.200",
    "r.300",
    "100% %d %s",
    "a[1]*?",
    "{stem}",
    "-o",
    "--help",
    "-",
    "line\nend",
    " blank ",
    "a'b\"c<b>&amp;",
    "C:x",
    "\u202ertl",
    "x" * 240,
    os.fsdecode(b"\xff\xfe"),
    COMPOSED,
]
OF_VIDEOS = ["r.200", "r.300", "100% %d", "a[1]", "-o", "line\nend", os.fsdecode(b"\xff")]


@pytest.fixture
def album(tmp_path, draw):
    """Each picture has a width of its own, by which its result is known."""
    for number, name in enumerate(NAMES):
        draw(tmp_path / "in" / f"{name}.png", number, (12 + number, 9))
    return tmp_path / "in"


def test_pictures_keep_their_names_each_with_its_own_content(album, esc, esc_command, size):
    report = album.parent / "r.jsonl"
    page = album.parent / "page.html"
    ran = esc(album, "-s", "2", "--report", report, "--html", page)
    assert ran.code == 0, ran.err
    results = album.with_name("in_x2")
    found = {path.name: size(path) for path in results.glob("*.png")}
    assert found == {f"{name}.png": (24 + 2 * n, 18) for n, name in enumerate(NAMES)}
    told = [json.loads(line)["output"] for line in report.read_text().splitlines()]
    assert sorted(told) == sorted(str(results / name) for name in found)
    assert page.read_text().count('<div class="slider">') == len(NAMES)
    assert f"0 done, {len(NAMES)} skipped, 0 failed" in esc(album, "-s", "2").err
    assert f"{len(NAMES)} intact, 0 not" in esc_command("verify", results).err


def test_names_that_differ_in_their_spelling_only_stay_apart(tmp_path, esc, draw, size):
    for number, form in enumerate(("NFC", "NFD")):
        name = unicodedata.normalize(form, COMPOSED)
        draw(tmp_path / "in" / f"{name}.png", number, (12 + number, 9))
    assert esc(tmp_path / "in", "-s", "2").code == 0
    found = sorted(size(path) for path in (tmp_path / "in_x2").glob("*.png"))
    assert found == [(24, 18), (26, 18)]
    assert "0 done, 2 skipped" in esc(tmp_path / "in", "-s", "2").err


def test_names_with_a_dash_are_given_behind_two_dashes_or_with_their_folder(album, esc, size):
    ran = esc("-s", "2", "--", "-o.png", "--help.png", cwd=album)
    assert ran.code == 0, ran.err
    assert size(album / "-o_x2.png") == (34, 18)
    assert size(album / "--help_x2.png") == (36, 18)
    assert esc("./-o.png", "-s", "3", cwd=album).code == 0
    assert size(album / "-o_x3.png") == (51, 27)


def test_results_beside_inputs_whose_names_end_in_a_number_stay_apart(tmp_path, esc, draw, size):
    for number, name in enumerate(("r.200.png", "r.300.png")):
        draw(tmp_path / name, number, (12 + number, 9))
    assert esc(tmp_path / "r.200.png", tmp_path / "r.300.png", "-s", "2").code == 0
    assert size(tmp_path / "r.200_x2.png") == (24, 18)
    assert size(tmp_path / "r.300_x2.png") == (26, 18)


def test_videos_keep_their_names_each_with_its_own_frames(tmp_path, esc, esc_command):
    (tmp_path / "in").mkdir()
    for number, name in enumerate(OF_VIDEOS):
        clip = Clip(frames=1, size=(32 + 2 * number, 24)).write(tmp_path / "raw.mkv")
        clip.rename(tmp_path / "in" / f"{name}.mkv")
    ran = esc(tmp_path / "in", "-s", "2")
    assert ran.code == 0, ran.err
    results = tmp_path / "in_x2"
    found = {path.name: _sides(path) for path in results.glob("*.mkv")}
    assert found == {f"{name}.mkv": (64 + 4 * n, 48) for n, name in enumerate(OF_VIDEOS)}
    assert f"0 done, {len(OF_VIDEOS)} skipped, 0 failed" in esc(tmp_path / "in", "-s", "2").err
    assert f"{len(OF_VIDEOS)} intact, 0 not" in esc_command("verify", results).err


def test_in_place_each_original_is_kept_under_its_own_name(album, esc, contents):
    before = contents(album)
    backup = album.parent / "originals"
    assert esc(album, "--in-place", "--backup", backup, "-s", "2").code == 0
    assert contents(backup) == before
    assert set(contents(album)) >= set(before)


def _sides(path):
    with path.open("rb") as stream, av.open(stream) as container:
        return container.streams.video[0].width, container.streams.video[0].height
