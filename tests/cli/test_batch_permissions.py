"""Without the right to read or write: one line, the right exit code, the others are done."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from forking import without_override


@pytest.fixture(scope="module")
def bound(esc):
    """The command, bound by permissions whoever runs the tests."""
    if not sys.platform.startswith("linux"):
        pytest.skip("drops Linux capabilities")
    options = {"preexec_fn": without_override} if os.geteuid() == 0 else {}

    def run(*arguments, **more):
        return esc(*arguments, **options, **more)

    return run


@pytest.fixture
def locked(tmp_path, draw):
    """A folder with a good picture, one without permission, and one in a folder without."""
    draw(tmp_path / "in" / "good.png")
    draw(tmp_path / "in" / "secret.png").chmod(0)
    draw(tmp_path / "in" / "closed" / "inner.png")
    (tmp_path / "in" / "link.png").symlink_to(tmp_path / "in" / "closed" / "inner.png")
    (tmp_path / "in" / "closed").chmod(0)
    (tmp_path / "fixed").mkdir(mode=0o555)
    yield tmp_path
    (tmp_path / "in" / "closed").chmod(0o755)


def test_unreadable_files_and_folders_in_a_folder_are_named(locked, bound, size):
    ran = bound("in", cwd=locked)
    assert ran.code == 1
    for name in ("in/secret.png", "in/closed", "in/link.png"):
        lines = ran.lines_naming(f"failed: {name}: ")
        assert len(lines) == 1
        assert "ermission denied" in lines[0]
    assert size(locked / "in_x4" / "good.png") == (48, 36)


def test_a_file_in_an_unreadable_folder_does_not_stop_the_others(locked, bound, size):
    ran = bound("in/closed/inner.png", "in/secret.png", "in/good.png", "-o", "out", cwd=locked)
    assert ran.code == 1
    assert "ermission denied" in ran.lines_naming("in/closed/inner.png: ")[0]
    assert "ermission denied" in ran.lines_naming("in/secret.png: ")[0]
    assert size(locked / "out" / "good.png") == (48, 36)


@pytest.mark.parametrize("given", ["in/closed/inner.png", "in/secret.png", "in/closed"])
def test_alone_they_fail_with_the_reason(locked, bound, given):
    ran = bound(given, cwd=locked)
    assert ran.code in (1, 2)
    assert "ermission denied" in ran.lines_naming(given)[0]


@pytest.mark.parametrize(
    "output", ["in/closed", "in/closed/out", "in/closed/out.png", "fixed", "fixed/new/deeper"]
)
def test_an_output_folder_that_cannot_be_written_is_found_before_work(locked, bound, output):
    ran = bound("in/good.png", "-o", output, cwd=locked)
    assert ran.code == 3, ran.err
    assert len(ran.err.splitlines()) == 1
    assert Path(output).parts[0] in ran.err


def test_a_result_beside_an_input_in_a_folder_that_cannot_be_written(locked, bound, draw):
    (locked / "fixed").chmod(0o755)
    draw(locked / "fixed" / "a.png")
    (locked / "fixed").chmod(0o555)
    ran = bound("fixed/a.png", cwd=locked)
    assert ran.code == 3
    assert [path.name for path in (locked / "fixed").iterdir()] == ["a.png"]


@pytest.mark.parametrize("option", ["--model", "--report"])
def test_a_checkpoint_or_report_that_cannot_be_opened(locked, bound, option):
    ran = bound("in/good.png", "-o", "out", option, "in/closed/f.safetensors", cwd=locked)
    assert ran.code == 3, ran.err
    assert "in/closed/f.safetensors" in ran.err
    assert len(ran.err.splitlines()) == 1


def test_records_that_cannot_be_read_are_named(locked, bound):
    assert bound("in/good.png", "-o", "out", cwd=locked).code == 0
    (locked / "out" / ".esc-records.jsonl").chmod(0)
    ran = bound("in/good.png", "-o", "out", cwd=locked)
    assert ran.code != 0
    assert ran.lines_naming(".esc-records.jsonl")
