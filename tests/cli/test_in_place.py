"""`--in-place`: results take the places of their inputs, and the originals go to the backup."""

from __future__ import annotations

import shutil

import pytest
from archives import book, picture
from clips import Clip


@pytest.fixture
def album(tmp_path, draw):
    folder = tmp_path / "in"
    draw(folder / "a.png")
    draw(folder / "sub" / "b.jpg", 1, quality=95)
    Clip(frames=3).write(folder / "c.mkv")
    return folder


@pytest.fixture
def words(album, tmp_path):
    return (album, "--in-place", "--backup", tmp_path / "old", "-s", "2")


def test_results_replace_their_inputs_and_the_originals_are_in_the_backup(
    album, words, tmp_path, esc, contents, size
):
    before = contents(album)
    ran = esc(*words)
    assert ran.code == 0, ran.err
    assert "3 done, 0 skipped, 0 failed" in ran.err
    assert contents(tmp_path / "old") == before
    assert set(contents(album)) == set(before)
    assert size(album / "a.png") == size(album / "sub" / "b.jpg") == (24, 18)
    assert (album / "c.mkv").read_bytes() != before["c.mkv"]
    assert str(album / "a.png") in ran.out


def test_the_records_of_the_folder_name_the_originals(album, words, tmp_path, esc, esc_command):
    assert esc(*words).code == 0
    assert esc_command("verify", album).code == 0
    (tmp_path / "old" / "a.png").write_bytes(b"something else")
    verified = esc_command("verify", album)
    assert verified.code == 1
    assert "a.png" in verified.out + verified.err


def test_what_is_enlarged_is_not_enlarged_again(album, words, tmp_path, esc, contents):
    assert esc(*words).code == 0
    after, old = contents(album), contents(tmp_path / "old")
    assert "0 done, 3 skipped, 0 failed" in esc(*words).err
    assert "0 done, 3 skipped, 0 failed" in esc(*words[:-1], 4).err
    copied = shutil.copytree(album, tmp_path / "copied", copy_function=shutil.copyfile)
    words = (copied, "--in-place", "--backup", tmp_path / "other", "-s", "2")
    assert "0 done, 3 skipped, 0 failed" in esc(*words).err
    assert (contents(album), contents(copied)) == (after, after)
    assert contents(tmp_path / "old") == old


def test_new_inputs_are_done_beside_those_that_stand(album, words, esc, draw, contents, tmp_path):
    assert esc(*words).code == 0
    new = draw(album / "sub" / "new.png", 7).read_bytes()
    assert "1 done, 3 skipped" in esc(*words).err
    assert contents(tmp_path / "old")["sub/new.png"] == new


def test_a_name_that_is_taken_in_the_backup_fails_by_name(album, words, tmp_path, esc, contents):
    taken = tmp_path / "old" / "a.png"
    taken.parent.mkdir()
    taken.write_bytes(b"of somebody else")
    before = (album / "a.png").read_bytes()
    ran = esc(*words)
    assert ran.code == 1
    assert "2 done, 0 skipped, 1 failed" in ran.err
    assert "the backup holds another file of this name" in ran.lines_naming("a.png")[0]
    assert taken.read_bytes() == b"of somebody else"
    assert (album / "a.png").read_bytes() == before


def test_a_copy_of_the_original_in_the_backup_is_taken_for_it(album, words, tmp_path, esc, size):
    (tmp_path / "old").mkdir()
    shutil.copyfile(album / "a.png", tmp_path / "old" / "a.png")
    assert esc(*words).code == 0
    assert size(album / "a.png") == (24, 18)


def test_a_replaced_result_that_somebody_changed_is_not_enlarged_over_its_original(
    album, words, tmp_path, esc, draw, contents
):
    assert esc(*words).code == 0
    old, new = contents(tmp_path / "old"), draw(album / "a.png", 9).read_bytes()
    assert "0 done, 2 skipped, 1 failed" in esc(*words).err
    assert contents(tmp_path / "old") == old
    assert (album / "a.png").read_bytes() == new


def test_the_backup_may_be_on_another_file_system(album, words, disk_of, esc, contents):
    before, old = contents(album), disk_of("4m")
    ran = esc(album, "--in-place", "--backup", old / "deep", "-s", "2")
    assert ran.code == 0, ran.err
    assert contents(old / "deep") == before
    assert "3 skipped" in esc(album, "--in-place", "--backup", old / "deep", "-s", "2").err


def test_a_backup_without_space_ends_the_run_before_the_work(album, draw, disk_of, esc, contents):
    draw(album / "large.bmp", size=(100, 100))
    before, old = contents(album), disk_of("8k")
    ran = esc(album, "--in-place", "--backup", old, "-s", "2")
    assert ran.code == 3
    assert "choose another --backup" in ran.err
    assert contents(album) == before


def test_a_backup_that_becomes_full_ends_the_run_and_loses_nothing(album, disk_of, esc, contents):
    before, old = contents(album), disk_of("4k")  # room for one file, whatever its size
    ran = esc(album, "--in-place", "--backup", old, "-s", "2")
    assert ran.code == 3
    assert "No space left" in ran.err
    kept, after = contents(old), contents(album)
    assert kept.items() <= before.items()
    assert {name for name in before if after[name] != before[name]} == set(kept)
    assert esc(album, "--in-place", "--backup", album.parent / "old", "-s", "2").code == 0
    assert kept | contents(album.parent / "old") == before


def test_what_cannot_keep_its_name_is_refused_by_name(tmp_path, draw, esc, contents):
    folder = tmp_path / "in"
    draw(folder / "a.png")
    draw(folder / "a.tga")
    draw(folder / "named.jpg", format="PNG")
    book(folder / "d.cbz", [("1.png", picture("PNG", 1))])
    (folder / "link.png").symlink_to(draw(tmp_path / "elsewhere.png"))
    before = contents(folder)
    ran = esc(folder, "--in-place", "--backup", tmp_path / "old", "-s", "2")
    assert ran.code == 1
    assert "1 done, 0 skipped, 4 failed" in ran.err
    for name, why in (
        ("a.tga", "PNG"),
        ("named.jpg", "PNG"),
        ("d.cbz", "archives"),
        ("link.png", "a link"),
    ):
        assert why in ran.lines_naming(f"{name}:")[0]
    after = contents(folder)
    assert {name for name in before if after[name] != before[name]} == {"a.png"}
    assert list(contents(tmp_path / "old")) == ["a.png"]


@pytest.mark.parametrize(
    "more",
    [
        ("-o", "out"),
        ("--name", "{stem}"),
        ("--format", "jpg"),
        ("--existing", "overwrite"),
        ("--include-outputs",),
        ("--min-side", "9", "--large", "copy"),
        ("--frames", "1"),
        ("--no-verify",),
        ("other",),
    ],
)
def test_options_that_do_not_go_with_it_are_wrong_usage(album, words, esc, contents, more):
    before = contents(album)
    (album.parent / "other").mkdir()
    assert esc(*words, *more).code == 2
    assert contents(album) == before


def test_a_backup_is_needed_and_lies_outside_of_the_folder(album, esc, contents):
    before = contents(album)
    assert esc(album, "--in-place").code == 2
    assert esc(album, "--backup", "old").code == 2
    assert esc(album, "--in-place", "--backup", album / "old").code == 2
    assert esc(album / "a.png", "--in-place", "--backup", album.parent / "old").code == 2
    assert contents(album) == before


def test_a_dry_run_writes_nothing(album, words, tmp_path, esc, contents):
    before = contents(tmp_path)
    ran = esc(*words, "--dry-run")
    assert ran.code == 0
    assert f"would write {album / 'a.png'} (24 x 18" in ran.out
    assert contents(tmp_path) == before
    assert not (tmp_path / "old").exists()


def test_reports_pages_and_shares_go_with_it(album, words, tmp_path, esc, contents):
    before = contents(album)
    report, page = tmp_path / "r.jsonl", tmp_path / "page.html"
    for share in ("1/2", "2/2"):
        ran = esc(*words, "--shard", share, "--report", report, "--html", page, "--keep-times")
        assert ran.code == 0, ran.err
    assert contents(tmp_path / "old") == before
    assert set(contents(album)) == set(before)
    assert f'"input":"{tmp_path / "old" / "a.png"}"' in report.read_text()
    for name in before:
        old, new = ((folder / name).stat() for folder in (tmp_path / "old", album))
        assert (old.st_mtime_ns, old.st_mode) == (new.st_mtime_ns, new.st_mode)
    assert "0 done, 3 skipped" in esc(*words).err


def test_a_result_with_the_size_and_time_of_its_source_is_told_by_its_content(
    tmp_path, draw, esc, contents
):
    original = draw(tmp_path / "in" / "a.bmp")
    words = (tmp_path / "in", "--in-place", "--backup", tmp_path / "old", "-s", "1")
    assert "1 done" in esc(*words, "--keep-times").err
    assert "0 done, 1 skipped" in esc(*words, "--keep-times").err
    assert original.stat().st_size == (tmp_path / "old" / "a.bmp").stat().st_size
    assert list(contents(tmp_path / "old")) == ["a.bmp"]


def test_watch_does_not_have_it(esc_command, album, tmp_path):
    ran = esc_command("watch", album, "--in-place", "--backup", tmp_path / "old")
    assert ran.code == 2
    assert "--in-place" in ran.err
