"""Results against their records: what is missing, changed, unknown, or of another source."""

from __future__ import annotations

import json
import shutil

import pytest
from archives import book, picture
from clips import Clip


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


def test_what_is_given_instead_of_a_folder_of_results_is_told(results, esc_command, tmp_path):
    ran = esc_command("verify", results / "deep" / "0.png")
    assert (ran.code, "is no folder" in ran.err) == (2, True)
    ran = esc_command("verify", results / "deep")
    assert ran.code == 2
    assert f"those of {results} may be meant" in ran.err


def test_results_beside_their_sources_and_in_folders_below(results, esc, esc_command, tmp_path):
    own = tmp_path / "in" / "deep" / "0.png"
    assert esc(own, "-s", "2", "-o", tmp_path / "0_x2.png").code == 0
    ran = esc_command("verify", tmp_path)
    assert ran.code == 0, ran.err
    assert "5 intact, 0 not" in ran.err
    # The later record counts, also of a result that two folders have one of.
    assert (
        esc(own, "-s", "3", "-o", results / "deep" / "0.png", "--existing", "overwrite").code == 0
    )
    assert states(esc_command("verify", tmp_path, "--json")) == {
        "0.png": "intact",
        "0_x2.png": "intact",
        **{f"{number}.png": "intact" for number in (1, 2, 3)},
    }


def states(ran):
    lines = map(json.loads, ran.out.splitlines())
    return {line["path"].rpartition("/")[2]: line["state"] for line in lines}


def test_settings_are_compared_with_those_of_most(results, esc, esc_command, tmp_path, draw):
    draw(tmp_path / "one" / "9.png", 9)
    words = ("-s", "2", "--tile", "64")
    assert esc(tmp_path / "one", *words, "-o", results).code == 0
    ran = esc_command("verify", results, "--json")
    assert ran.code == 1
    assert [name for name, state in states(ran).items() if state == "other settings"] == ["9.png"]
    (line,) = ran.lines_naming("9.png ")
    assert line.endswith("other settings: tile 64, and not default settings")
    assert "4 intact, 1 not" in ran.err
    assert esc_command("verify", results, "--any-settings").code == 0


def test_settings_that_are_asked_for_are_those_that_all_must_have(results, esc_command):
    assert esc_command("verify", results, "-s", "2").code == 0
    ran = esc_command("verify", results, "-s", "2", "--provenance", "--json")
    assert ran.code == 1
    assert set(states(ran).values()) == {"other settings"}
    assert "0 intact, 4 not" in ran.err
    assert "other settings: default settings, and not provenance True" in ran.err
    ran = esc_command("verify", results, "-s", "2", "--any-settings")
    assert ran.code == 2
    assert "--any-settings and --scale exclude each other" in ran.err


def test_the_network_is_compared_where_it_is_asked_for(esc, esc_command, draw, tmp_path):
    draw(tmp_path / "in" / "0.png")
    book(tmp_path / "in" / "b.cbz", [("1.png", picture("PNG"))])
    assert esc(tmp_path / "in", "-s", "2").code == 0
    results = tmp_path / "in_x2"
    assert esc_command("verify", results, "-s", "2", "--model", "auto").code == 0
    ran = esc_command("verify", results, "-s", "2", "--model", "clean", "--json")
    assert states(ran) == {"0.png": "intact", "b.cbz": "other network"}
    ran = esc_command("verify", results, "-s", "2", "--denoise", "0.5", "--model", "auto")
    assert ran.code == 1, "of a blend"
    ran = esc_command("verify", results, "-s", "2", "--model", "no-such-network")
    assert ran.code == 2


def test_kinds_and_copies_have_settings_of_their_own(esc, esc_command, draw, tmp_path):
    folder = tmp_path / "in"
    draw(folder / "0.png")
    draw(folder / "large.png", size=(40, 30))
    Clip(frames=2).write(folder / "c.mkv")
    book(folder / "b.cbz", [("1.png", picture("PNG"))])
    words = ("-s", "2", "--crf", "30", "-q", "80", "--min-side", "28")
    assert esc(folder, *words, "--large", "copy").code == 0
    assert esc_command("verify", tmp_path / "in_x2").code == 0
    assert esc_command("verify", tmp_path / "in_x2", *words).code == 0
    ran = esc_command("verify", tmp_path / "in_x2", *words[:4], "-q", "90", "--json")
    assert states(ran) == {
        "0.png": "other settings",
        "b.cbz": "other settings",
        "c.mkv": "intact",
        "large.png": "intact",
    }


@pytest.mark.parametrize("name", ["png", "jpg", "gif", "mkv"])
def test_a_result_without_a_record_tells_what_it_says_of_itself(
    name, esc, esc_command, draw, tmp_path
):
    source = tmp_path / "in" / f"a.{name}"
    if name == "mkv":
        Clip(frames=2).write(source)
    else:
        draw(source)
    words = ("-f", "gif") if name == "gif" else ()
    assert esc(tmp_path / "in", "-s", "2", "--provenance", *words).code == 0
    results = tmp_path / "in_x2"
    (record,) = results.glob(".esc-records*")
    entry = json.loads(record.read_text())
    record.unlink()
    ran = esc_command("verify", results, "--json")
    assert ran.code == 1
    (line,) = map(json.loads, ran.out.splitlines())
    (said,) = line["provenance"]
    assert line["state"] == "no record"
    assert said["source_sha256"] == entry["source"]["sha256"]
    assert said["settings"] == entry["settings"]
    assert said["weights_sha256"] == entry["weights_sha256"]
    assert f"has no record; it says of itself: esc {said['version']}, esc-tiny" in ran.err
    assert f"provenance True, scale 2.0, source sha256 {said['source_sha256']}" in ran.err
