"""An encoder that this machine cannot open is found before any work."""

from __future__ import annotations

import sys
from fractions import Fraction

import pytest
import torch
from clips import Clip, look
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
@pytest.mark.parametrize("codec", ["h264_nvenc", "hevc_nvenc", "av1_nvenc"])
@pytest.mark.parametrize("option", ["--quiet", "--dry-run"])
def test_an_encoder_that_needs_a_gpu_is_refused_without_one(folder, esc, codec, option):
    ran = esc(folder, "--codec", codec, option)
    assert ran.code == 3
    (line,) = ran.err.splitlines()
    assert line.startswith(f"error: the encoder {codec} does not open on this machine: ")
    assert f"without them use --codec {codec.removesuffix('_nvenc')})" in line
    assert [path.name for path in folder.parent.iterdir()] == ["in"]


def refused(ran):
    """The one line of a run that was refused before any work."""
    assert ran.code == 3, ran.err
    (line,) = ran.err.splitlines()
    return line


@pytest.mark.parametrize(
    ("codec", "need", "reason"),
    [
        ("h264_qsv", "an Intel GPU", "MFX session"),
        ("hevc_qsv", "an Intel GPU", "MFX session"),
        ("av1_qsv", "an Intel GPU", "MFX session"),
        ("h264_amf", "an AMD GPU", "libamfrt"),
        ("hevc_amf", "an AMD GPU", "libamfrt"),
        ("av1_amf", "an AMD GPU", "libamfrt"),
    ],
)
def test_encoders_of_other_gpus_are_refused_without_one(folder, esc, codec, need, reason):
    if codec not in av.codec.codecs_available or opens(codec):
        pytest.skip(f"needs FFmpeg with {codec}, and no GPU for it")
    line = refused(esc(folder, "--codec", codec, "--quiet"))
    assert line.startswith(f"error: the encoder {codec} does not open on this machine: ")
    if sys.platform == "linux":
        assert reason in line
    assert f"it needs {need}" in line
    assert f"without them use --codec {codec.rpartition('_')[0]})" in line
    assert [path.name for path in folder.parent.iterdir()] == ["in"]


def opens(codec):
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = 256, 256, "nv12"
    context.time_base = Fraction(1, 25)
    try:
        context.open()
    except av.FFmpegError:
        return False
    return True


@needs_no_gpu
def test_a_decoder_that_needs_a_gpu_is_refused_without_one(folder, esc):
    line = refused(esc(folder, "--hwaccel", "cuda", "--quiet"))
    assert line.startswith("error: the decoder of cuda does not open on this machine: ")
    assert "libcuda" in line
    assert "without --hwaccel the processor decodes" in line
    assert [path.name for path in folder.parent.iterdir()] == ["in"]


def test_a_decoder_that_nobody_knows_is_wrong_usage(folder, esc):
    ran = esc(folder, "--hwaccel", "abacus")
    assert ran.code == 2
    assert "--hwaccel 'abacus' is not known" in ran.err


@pytest.mark.parametrize("pix_fmt", ["nv12", "yuv420p"])
def test_frames_in_the_order_of_gpus_are_encoded_as_they_are(tmp_path, esc, pix_fmt):
    """x264 takes the order of samples in which encoders of GPUs want them."""
    clip = Clip(frames=4, size=(48, 32)).write(tmp_path / "clip.mkv")
    out = tmp_path / f"{pix_fmt}.mkv"
    assert esc(clip, "-s", "1", "--pix-fmt", pix_fmt, "-o", out).code == 0
    plain = tmp_path / "plain.mkv"
    assert esc(clip, "-s", "1", "-o", plain).code == 0
    assert look(out).hashes == look(plain).hashes


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
