"""Options from esc.toml: what counts, where it is looked for, what is refused."""

from __future__ import annotations

import os

import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path, draw):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.jpg", 1)
    return tmp_path / "in"


def planned(ran):
    """The name and the sides of each result of a dry run."""
    assert ran.code == 0, ran.err
    words = [line.split() for line in ran.out.splitlines()]
    return {line[2].rpartition("/")[2]: (int(line[3][1:]), int(line[5][:-1])) for line in words}


def test_a_file_beside_the_folder_gives_the_options_that_are_left_out(photos, esc):
    (photos.parent / "esc.toml").write_text(
        '[upscale]\nscale = 2\nformat = "webp"\ninclude = "*.png"\n[eval]\nscale = "3"\n'
    )
    assert planned(esc(photos, "-n")) == {"a.webp": (24, 18)}
    assert planned(esc(photos, "-n", "-s", "3")) == {"a.webp": (36, 27)}
    assert planned(esc(photos, "-n", "--config", "none")) == {"a.png": (48, 36), "b.jpg": (48, 36)}


def test_a_file_in_the_current_folder(photos, esc, tmp_path):
    place = tmp_path / "work"
    place.mkdir()
    (place / "esc.toml").write_text("[upscale]\nlongest-side = 24\n")
    assert planned(esc(photos, "-n", cwd=place))["a.png"] == (24, 18)


def test_the_users_file_counts_less(photos, esc, tmp_path):
    home = tmp_path / "home"
    (home / "esc").mkdir(parents=True)
    (home / "esc" / "esc.toml").write_text('[upscale]\nscale = 2\nformat = "tiff"\n')
    env = {"XDG_CONFIG_HOME": str(home)}
    assert planned(esc(photos, "-n", env=env))["a.tiff"] == (24, 18)
    (photos.parent / "esc.toml").write_text("[upscale]\nscale = 3\n")
    assert planned(esc(photos, "-n", env=env))["a.tiff"] == (36, 27)


def test_a_file_that_is_named_counts_alone(photos, esc, tmp_path):
    (photos.parent / "esc.toml").write_text('[upscale]\nformat = "webp"\n')
    (tmp_path / "mine.toml").write_text("[upscale]\nscale = 2\n")
    mine = str(tmp_path / "mine.toml")
    assert planned(esc(photos, "-n", "--config", mine))["a.png"] == (24, 18)
    assert planned(esc(photos, "-n", env={"ESC_CONFIG": mine}))["a.png"] == (24, 18)


def test_where_each_value_comes_from_is_shown_and_nothing_is_done(photos, esc):
    (photos.parent / "esc.toml").write_text("[upscale]\nscale = 2\n")
    ran = esc(photos, "--quality", "80", "--print-config")
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert f"scale = 2.0  (from {photos.parent / 'esc.toml'})" in lines
    assert "quality = 80  (given)" in lines
    assert "overlap = 32  (default)" in lines
    assert not photos.with_name("in_x4").exists()
    assert not photos.with_name("in_x2").exists()


def test_commands_below_a_command_have_tables_below_its_table(esc_command, tmp_path):
    (tmp_path / "esc.toml").write_text("[weights.list]\njson = true\n")
    assert esc_command("weights", "list", cwd=tmp_path).out.startswith("[")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[upscale]\ncheksum = true\n", "did you mean checksum?"),
        ("[upscale]\nzzz = 1\n", "unknown option 'zzz'"),
        ("[upscale\n", "is no TOML"),
        ("upscale = 3\n", "is no table"),
        ("[upscael]\nscale = 2\n", "did you mean upscale?"),
        ("[weights.pul]\nscale = 2\n", "did you mean weights.pull?"),
        ("[upscale.video]\ncodec = 'hevc'\n", "[upscale.video] is no command"),
        ("scale = 2\n", "'scale' stands outside the table of a command"),
        ("[weights]\nscale = 2\n", "'scale' stands outside the table of a command"),
    ],
)
def test_what_a_file_says_wrongly_is_refused_by_name(photos, esc, text, words):
    path = photos.parent / "esc.toml"
    path.write_text(text)
    ran = esc(photos, "-n")
    assert ran.code == 2
    assert str(path) in ran.err
    assert words in ran.err


def test_a_value_that_the_option_refuses_is_told_with_its_file(photos, esc):
    path = photos.parent / "esc.toml"
    path.write_text('[upscale]\nscale = "two"\n')
    ran = esc(photos, "-n")
    assert ran.code == 2
    assert f"{path}: [upscale] scale = 'two'" in ran.err
    path.write_text("[upscale]\nscale = 2\n")
    ran = esc(photos, "-n", "--scale", "two")
    assert ran.code == 2
    assert str(path) not in ran.err


@pytest.mark.parametrize("text", [b"\xff\xfe[\x00", b"[upscale]\nname = '\xe9'\n"])
def test_a_file_in_another_encoding_is_refused_by_name(photos, esc, text):
    path = photos.parent / "esc.toml"
    path.write_bytes(text)
    ran = esc(photos, "-n")
    assert ran.code == 2
    assert f"{path}: is no TOML" in ran.err


def test_the_mark_that_editors_put_before_the_first_byte(photos, esc):
    (photos.parent / "esc.toml").write_bytes(b"\xef\xbb\xbf[upscale]\nscale = 2\n")
    assert planned(esc(photos, "-n"))["a.png"] == (24, 18)


def test_help_is_shown_whatever_the_file_says(esc, tmp_path):
    (tmp_path / "esc.toml").write_text("[upscale]\nzzz = 1\n")
    assert esc("--help", cwd=tmp_path).code == 0


def test_the_file_beside_the_first_argument_and_not_beside_the_value_of_an_option(photos, esc):
    place = photos.parent / "elsewhere" / "out"
    place.mkdir(parents=True)
    (place.parent / "esc.toml").write_text("[upscale]\nscale = 3\n")
    (photos.parent / "esc.toml").write_text("[upscale]\nscale = 2\n")
    assert planned(esc("-o", place, photos, "-n"))["a.png"] == (24, 18)


def test_a_file_that_is_named_and_not_there(photos, esc):
    ran = esc(photos, "--config", "nowhere.toml")
    assert ran.code == 2
    assert "nowhere.toml" in ran.err


@pytest.mark.skipif(os.name == "nt" or os.geteuid() != 0, reason="needs to give a file away")
def test_a_file_of_another_user_is_not_obeyed_unasked(photos, esc):
    path = photos.parent / "esc.toml"
    path.write_text("[upscale]\nscale = 2\n")
    os.chown(path, 12345, -1)
    ran = esc(photos, "-n")
    assert ran.code == 2
    assert "belongs to another user" in ran.err
    assert planned(esc(photos, "-n", "--config", path))["a.png"] == (24, 18)


def test_the_result_is_that_of_the_options(photos, esc):
    (photos.parent / "esc.toml").write_text("[upscale]\nscale = 2\n")
    assert esc(photos).code == 0
    with Image.open(photos.with_name("in_x2") / "a.png") as image:
        assert image.size == (24, 18)
    assert "0 done, 2 skipped" in esc(photos, "-s", "2", "--config", "none").err
