"""Without the right to read or write: one clear line, the documented exit code, nothing written."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from forking import without_override


@pytest.fixture
def bound(train, recipe, tmp_path):
    """`esc train`, bound by permissions whoever runs the tests."""
    if os.name == "nt":
        pytest.skip("permissions of POSIX")
    is_root = os.geteuid() == 0
    if is_root and not sys.platform.startswith("linux"):
        pytest.skip("drops Linux capabilities")

    def run(*arguments, code, out=tmp_path / "run"):
        words = (recipe, "--out", out, *arguments, "--iterations", 1)
        ran = train(*words, preexec_fn=without_override if is_root else None)
        assert ran.code == code, ran.err
        assert "ermission" in ran.err
        assert not (out / "checkpoints").exists()
        return ran.err

    return run


@pytest.fixture
def closed(tmp_path):
    """A folder that can be read and not written to, and one that cannot be read."""
    (tmp_path / "fixed").mkdir(mode=0o555)
    (tmp_path / "locked").mkdir(mode=0)
    return tmp_path


@pytest.mark.parametrize("option", ["--cache", "--plot", "--out"])
def test_a_place_that_cannot_be_written_is_found_at_the_start(bound, closed, pictures, option):
    name = {"--cache": "fixed", "--plot": "fixed/curve.png", "--out": "fixed/run"}[option]
    more = {"out": closed / name} if option == "--out" else {}
    arguments = () if more else (option, closed / name)
    err = bound("--data", pictures, *arguments, code=3, **more)
    assert len(err.splitlines()) == 1
    assert str(closed / name) in err


@pytest.mark.slow
def test_what_cannot_be_read_is_named(bound, closed, pictures):
    folder = shutil.copytree(pictures, closed / "pictures")
    (folder / "a.png").chmod(0)
    (folder / "inside").mkdir(mode=0)
    err = bound("--data", folder, code=1)
    for name in ("a.png", "inside"):
        assert f"cannot be used: {folder / name}: " in err
    assert f"{folder}: 2 pictures cannot be used (--skip-damaged" in err


@pytest.mark.slow
def test_a_folder_to_validate_on_that_cannot_be_read_is_named(bound, closed, pictures):
    err = bound("--data", pictures, "--validate", closed / "locked", code=2)
    assert f"{closed / 'locked'}: cannot be opened: Permission denied" in err
