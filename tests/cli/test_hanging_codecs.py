"""A signal ends the command while a codec, or whoever reads the output, does not let go."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
HANGS = """
import hashlib, pathlib
from PIL import Image, ImageFile, TgaImagePlugin

def hang():  # in C, without the interpreter's lock and deaf to signals, for many minutes
    pathlib.Path({marker!r}).touch()
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)

class HangingDecoder(ImageFile.PyDecoder):
    def decode(self, buffer):
        hang()

class HangingFile(ImageFile.ImageFile):
    def _open(self):
        hang()

if {where!r} == "pixels":
    Image.register_decoder("tga_rle", HangingDecoder)
else:
    Image.register_open("TGA", HangingFile)
"""


@pytest.fixture
def hanging(tmp_path, esc, draw):
    """Starts `esc upscale in` with a TGA decoder that hangs; returns once it does."""
    started = []

    def start(where, *words, **options):
        marker, plugin = tmp_path / "hangs", tmp_path / "plugin"
        plugin.mkdir()
        (plugin / "sitecustomize.py").write_text(HANGS.format(marker=str(marker), where=where))
        env = {"PYTHONPATH": os.pathsep.join([str(plugin), str(ROOT)])}
        draw(tmp_path / "in" / "a.png")
        draw(tmp_path / "in" / "b.tga", compression="tga_rle")
        process = esc.start(*(words or ["in"]), cwd=tmp_path, env=env, **options)
        started.append(process)
        until(lambda: marker.exists() or process.poll() is not None)
        assert marker.exists()
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def until(there):
    """Wait for an event; how long is for the slowest of machines."""
    deadline = time.monotonic() + 120
    while not there():
        assert time.monotonic() < deadline, "never happened"
        time.sleep(0.01)


def test_a_decoder_that_hangs_is_left_behind(hanging, tmp_path, esc):
    process = hanging("pixels")
    until((tmp_path / "in_x4" / "a.png").exists)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    ran = esc.ended(process.returncode, out, err)
    assert ran.code == 130
    assert [Path(line).name for line in ran.out.splitlines()] == ["a.png"]
    assert "1 done, 0 skipped, 0 failed, 1 left" in ran.err
    again = esc("in", cwd=tmp_path)
    assert again.code == 0
    assert "1 done, 1 skipped" in again.err


def test_a_header_that_hangs_the_main_thread_ends_too(hanging, tmp_path):
    process = hanging("header")
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 143
    assert b"did not let go" in err
    assert not (tmp_path / "in_x4").exists()


def test_a_pipe_that_nobody_reads_does_not_hold_the_end_up(tmp_path, esc, draw):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, bytes(512)):
            pass
    os.set_blocking(writing, True)
    process = esc.start(draw(tmp_path / "a.png"), "-o", "-", stdout=writing)
    try:
        until(lambda: _rests(process))
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=120)
    finally:
        process.kill()
        os.close(reading)
        os.close(writing)
    # If it rested earlier than in its last write, it may not have listened yet.
    assert process.returncode in (143, -signal.SIGTERM)


def _rests(process):
    """Whether it has got far and does nothing more."""
    own = psutil.Process(process.pid)
    before = sum(own.cpu_times()[:2])
    time.sleep(1)
    return before > 0.1 and sum(own.cpu_times()[:2]) == before
