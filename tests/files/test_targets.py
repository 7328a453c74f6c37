"""Places to write to, looked at before work."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from esc_cli.errors import DiskError
from esc_cli.files.targets import check_folder, check_target, write_together


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def places(tmp_path):
    (tmp_path / "file").write_text("here")
    (tmp_path / "folder").mkdir()
    (tmp_path / "astray").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    return tmp_path


@pytest.mark.parametrize("name", ["new", "file", "folder/new", "astray", "loop"])
def test_a_file_that_can_be_written_passes_and_nothing_is_left(places, name):
    before = everything(places)
    check_target(places / name)
    assert everything(places) == before
    assert (places / "file").read_text() == "here"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("folder", "it is a folder"),
        ("none/new", "its folder is not there"),
        ("file/new", "Not a directory"),
        ("loop/new", "symbolic links"),
        ("n" * 300, "too long"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="words of POSIX")
def test_a_file_that_cannot_be_written_is_named_before_work(places, name, why):
    with pytest.raises(DiskError, match=why) as caught:
        check_target(places / name)
    assert caught.value.path == places / name


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="a folder that takes no files")
def test_a_folder_that_takes_no_files_is_found_whatever_its_mode_says():
    with pytest.raises(DiskError, match="cannot be written"):
        check_target(Path("/proc/new"))


@pytest.mark.parametrize("name", ["folder", "folder/a/b/c", "new"])
def test_a_folder_that_can_be_made_passes_and_is_not_made(places, name):
    before = everything(places)
    check_folder(places / name)
    assert everything(places) == before


@pytest.mark.parametrize("name", ["file", "file/new", "astray", "astray/new", "loop", "n" * 300])
def test_a_folder_that_cannot_be_is_named_before_work(places, name):
    with pytest.raises(DiskError):
        check_folder(places / name)


def test_files_are_written_together(tmp_path):
    (tmp_path / "one").write_text("old")
    write_together({tmp_path / "one": b"1", tmp_path / "two": b"2"})
    assert (tmp_path / "one").read_bytes() == b"1"
    assert (tmp_path / "two").read_bytes() == b"2"
    assert everything(tmp_path) == ["one", "two"]


@pytest.mark.parametrize("size", [100, 100_000], ids=["buffered", "too large to be buffered"])
@pytest.mark.parametrize("blocked", ["one", "two"])
def test_when_one_of_them_cannot_be_written_none_is(tmp_path, blocked, size, disk_of):
    disk = disk_of("64k")
    (disk / "other").write_bytes(bytes(64 << 10))
    paths = {"one": tmp_path / "one", "two": tmp_path / "two"} | {blocked: disk / "full"}
    with pytest.raises(DiskError, match="No space left"):
        write_together({paths["one"]: bytes(size), paths["two"]: bytes(size)})
    assert not any(path.exists() for path in paths.values())
    assert [path.name for path in disk.iterdir()] == ["other"]
