"""An encoder that this machine cannot open is found before any work."""

from __future__ import annotations

import pytest
import torch
from clips import Clip
from PIL import Image

av = pytest.importorskip("av")
needs_no_gpu = pytest.mark.skipif(
    torch.cuda.is_available() or "h264_nvenc" not in av.codec.codecs_available,
    reason="needs a machine without GPU, and FFmpeg with NVENC",
)


@pytest.fixture
def folder(tmp_path):
    """A picture and two videos."""
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "picture.png")
    for name in ("a.mkv", "b.mkv"):
        Clip(frames=3).write(tmp_path / "in" / name)
    return tmp_path / "in"


@needs_no_gpu
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc"])
@pytest.mark.parametrize("option", ["--quiet", "--dry-run"])
def test_an_encoder_that_needs_a_gpu_is_refused_without_one(folder, esc, codec, option):
    ran = esc(folder, "--codec", codec, option)
    assert ran.code == 3
    (line,) = ran.err.splitlines()
    assert line.startswith(f"error: the encoder {codec} does not open on this machine: ")
    assert f"without them use --codec {codec.removesuffix('_nvenc')})" in line
    assert [path.name for path in folder.parent.iterdir()] == ["in"]


@needs_no_gpu
def test_pictures_alone_need_no_encoder(folder, esc):
    out = folder.with_name("out")
    assert esc(folder, "-o", out).code == 0
    assert esc(folder, "-o", out, "--codec", "h264_nvenc", "--include", "*.png").code == 0


def test_a_video_that_an_encoder_refuses_is_a_failure_of_that_video_alone(folder, esc):
    Clip(frames=3, size=(33, 25), codec="ffv1", options={}).write(folder / "odd.mkv")
    ran = esc(folder, "-s", "1")
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "odd.mkv: the result would be 33 x 25" in line
    assert "3 done, 0 skipped, 1 failed" in ran.err
