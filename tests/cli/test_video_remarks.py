"""What a result will lack is said on the terminal, before the work and in a dry run."""

from __future__ import annotations

import pytest
from clips import Clip

HDR = "log-level=none:frame-threads=1:bframes=0:max-cll=1000,400"
LOST = "will be lost, as ffv1 is not given it: the light levels"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("remarks")
    clip = Clip(frames=3, codec="libx265", options={"x265-params": HDR})
    return clip.write(folder / "clip.mkv")


@pytest.mark.parametrize("option", ["--quiet", "--dry-run"])
def test_what_will_be_lost_is_said(clip, esc, option):
    ran = esc(clip, "-o", clip.with_name(f"out{option}.mkv"), "--codec", "ffv1", option)
    assert ran.code == 0, ran.err
    [line] = ran.lines_naming(LOST)
    assert line.startswith("note: ")
    assert "clip.mkv" in line
