"""A clip, and what a run that is not interrupted makes of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from clips import Clip, look
from left_runs import FRAMES, finish


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """(a clip, what an uninterrupted run makes of it)."""
    folder = tmp_path_factory.mktemp("resume")
    clip = Clip(frames=FRAMES, size=(48, 32), audio=("eng",)).write(folder / "clip.mkv")
    finish(clip, "whole.mkv")
    return clip, look(clip.with_name("whole.mkv"))


@pytest.fixture
def clip(reference, tmp_path):
    return Path(shutil.copy(reference[0], tmp_path))


@pytest.fixture
def whole(reference):
    return reference[1]
