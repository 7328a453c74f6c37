"""A name shows the whole result or what was there before, and nothing is left lying about."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from esc_cli.errors import DiskError, WriteError
from esc_cli.files import atomic, retries
from esc_cli.files.atomic import PART_SUFFIX, remove_stale_parts, write_atomic


def test_content_and_status_are_those_of_the_file(tmp_path):
    path = tmp_path / "result.png"
    status = write_atomic(path, b"content")
    assert path.read_bytes() == b"content"
    after = path.stat()
    same = ("st_size", "st_mtime_ns", "st_ino")
    assert [getattr(status, name) for name in same] == [getattr(after, name) for name in same]
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


def test_before_rename_sees_a_complete_hidden_sibling(tmp_path):
    path = tmp_path / "result.png"
    path.write_bytes(b"old")
    seen = []

    def look(status: os.stat_result) -> None:
        (part,) = (child for child in tmp_path.iterdir() if child != path)
        seen.append((part.name, part.read_bytes(), path.read_bytes(), status.st_size))

    write_atomic(path, b"brand new", look)
    ((name, sibling, target, size),) = seen
    assert (sibling, target, size) == (b"brand new", b"old", 9)
    assert name.startswith(".")
    assert name.endswith(PART_SUFFIX)
    assert path.read_bytes() == b"brand new"


def test_what_before_rename_raises_passes_through_and_nothing_changes(tmp_path):
    path = tmp_path / "result.png"
    path.write_bytes(b"old")

    def stop(status: os.stat_result) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomic(path, b"new", stop)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name", ["n" * 255, "ü" * 127, "🦊" * 63, "two\nlines", "\udcff\udcfe", "a 'b' \"c\""]
)
def test_any_name_can_be_written(tmp_path, name):
    path = tmp_path / name
    try:
        path.touch()
    except (OSError, UnicodeError):
        pytest.skip("this file system refuses the name")
    write_atomic(path, b"content")
    assert path.read_bytes() == b"content"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_in_the_way_or_missing_is_a_write_error(tmp_path):
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "folder", tmp_path / "missing" / "file", tmp_path / ("n" * 256)):
        with pytest.raises(WriteError) as caught:
            write_atomic(path, b"content")
        assert caught.value.path == path
    assert [child.name for child in tmp_path.iterdir()] == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_disk_error(tmp_path, monkeypatch):
    """The device that is always full stands in for the sibling; all else is the real thing."""
    (tmp_path / "full").symlink_to("/dev/full")
    monkeypatch.setattr(atomic, "part_name", lambda _: "full")
    real_open = os.open
    monkeypatch.setattr(
        os, "open", lambda path, flags, *mode: real_open(path, flags & ~os.O_EXCL, *mode)
    )
    with pytest.raises(DiskError, match="No space left") as caught:
        write_atomic(tmp_path / "result", b"content")
    assert caught.value.path == tmp_path / "result"
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert list(tmp_path.iterdir()) == []


def test_siblings_of_dead_processes_go_and_of_live_ones_stay(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    dead = tmp_path / f".a.png.{atomic._host()}-{child.pid}-0{PART_SUFFIX}"
    alive = tmp_path / f".a.png.{atomic._host()}-{os.getppid()}-0{PART_SUFFIX}"
    mine = tmp_path / atomic.part_name("a.png")
    elsewhere = tmp_path / f".a.png.ffffffff-{child.pid}-0{PART_SUFFIX}"
    other = tmp_path / f".notes{PART_SUFFIX}"
    for path in (dead, alive, mine, elsewhere, other):
        path.touch()
    assert remove_stale_parts(tmp_path) == (dead,)
    assert set(tmp_path.iterdir()) == {alive, mine, elsewhere, other}


def test_a_killed_container_whose_next_process_has_the_same_pid_leaves_nothing(tmp_path):
    mine = atomic.part_name("a.png")
    number = int(mine.removesuffix(PART_SUFFIX).rpartition("-")[2])
    before = tmp_path / mine.replace(f"-{number}.", f"-{number - 1_000_000}.")
    before.touch()
    write_atomic(tmp_path / "a.png", b"content")
    assert remove_stale_parts(tmp_path) == (before,)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_a_killed_process_leaves_no_half_result(tmp_path):
    script = (
        "import os, sys; from pathlib import Path; from esc_cli.files.atomic import write_atomic\n"
        "write_atomic(Path(sys.argv[1]), b'new', lambda status: os.kill(os.getpid(), 9))"
    )
    path = tmp_path / "result"
    path.write_bytes(b"old")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script, str(path)], env=environment, check=False)
    assert done.returncode == -9
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 2
    assert len(remove_stale_parts(tmp_path)) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EBUSY])
def test_a_rename_that_is_denied_for_a_moment_is_tried_again(tmp_path, monkeypatch, number):
    path, rename = tmp_path / "result.png", Path.replace
    denials, pauses = [number] * 3, []

    def denied(place: Path, target: Path) -> Path:
        if denials:
            raise OSError(denials.pop(), os.strerror(number))
        return rename(place, target)

    monkeypatch.setattr(Path, "replace", denied)
    monkeypatch.setattr(retries.time, "sleep", pauses.append)
    write_atomic(path, b"x")
    assert path.read_bytes() == b"x"
    assert pauses == sorted(pauses)
    assert len(pauses) == 3


def test_a_rename_that_stays_denied_fails_by_name(tmp_path, monkeypatch):
    def denied(place: Path, target: Path) -> Path:
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    pauses = []
    monkeypatch.setattr(Path, "replace", denied)
    monkeypatch.setattr(retries.time, "sleep", pauses.append)
    with pytest.raises(WriteError, match=r"result.png: cannot be written"):
        write_atomic(tmp_path / "result.png", b"x")
    assert 1 < sum(pauses) < 5
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not hasattr(errno, "ESTALE"), reason="this system has no such shares")
@pytest.mark.parametrize("name", ["ENOTCONN", "ESTALE", "EIO"])
def test_a_share_that_is_gone_concerns_all_items(tmp_path, monkeypatch, name):
    number = getattr(errno, name)

    def gone(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", gone)
    seen = []
    with pytest.raises(DiskError, match=r"result.png: cannot be written: .*gone or broken"):
        write_atomic(tmp_path / "result.png", b"x", seen.append)
    assert not seen  # and so there is no record
    assert list(tmp_path.iterdir()) == []
