"""What a decoder does to its own process harms no batch: memory, time, crashes, signals."""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from PIL import Image

from esc_cli.errors import ReadError
from esc_cli.media.confined import Bounds, decode, probe

ROOT = Path(__file__).parents[2]
SIDE = 30_000  # of the JPEG in the tile: its decoding takes 4 GB
PLUGIN = """
import collections, ctypes, itertools, pathlib, time
from PIL import Image, TgaImagePlugin, ImageFile

class OddDecoder(ImageFile.PyDecoder):
    def decode(self, buffer):
        while {after!r} and not pathlib.Path({after!r}).exists():
            time.sleep(0.01)
        pathlib.Path({marker!r}).touch()
        if {crashes!r}:
            ctypes.string_at(0)
        # In C, deaf to signals, and no other thread of the interpreter gets a turn.
        collections.deque(itertools.repeat(0), maxlen=0)

Image.register_decoder("tga_rle", OddDecoder)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="nothing bounds decoders there"),
    pytest.mark.usefixtures("measured_processes"),
]


def lying_tiff() -> bytes:
    """A grey TIFF of one tile of 16 x 16, compressed by a JPEG of `SIDE` x `SIDE`."""
    jpeg = io.BytesIO()
    Image.new("L", (16, 16)).save(jpeg, "JPEG")
    tile = bytearray(jpeg.getvalue())
    struct.pack_into(">HH", tile, tile.index(b"\xff\xc0") + 5, SIDE, SIDE)
    tags = {256: 16, 257: 16, 258: 8, 259: 7, 262: 1, 277: 1, 322: 16, 323: 16}
    tags |= {324: 8 + 2 + 12 * 10 + 4, 325: len(tile)}
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + bytes(tile)


def plugin(
    folder: Path, marker: Path, crashes: bool = False, after: Path | None = None
) -> dict[str, str]:
    """The environment of a process whose TGA decoder hangs or crashes, once a file is there."""
    folder.mkdir()
    text = PLUGIN.format(marker=str(marker), crashes=crashes, after=str(after or ""))
    (folder / "sitecustomize.py").write_text(text)
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds the memory of a process")
def test_a_file_that_asks_for_far_more_than_its_header_says_fails_by_name(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "b.tif").write_bytes(lying_tiff())
    draw(tmp_path / "in" / "c.png")
    ran = esc(tmp_path / "in", "--max-memory", "64M")
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "b.tif" in line
    assert "its decoder takes more memory than the limit of 64 MiB" in line
    assert "2 done, 0 skipped, 1 failed" in ran.err


def test_a_decoder_that_keeps_the_interpreter_to_itself_lets_a_signal_end_the_run(
    tmp_path, esc, draw
):
    marker = tmp_path / "hangs"
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.tga", compression="tga_rle")
    env = plugin(tmp_path / "plugin", marker, after=tmp_path / "in_x4" / "a.png")
    process = esc.start("in", cwd=tmp_path, env=env)
    try:
        wait_for(marker.exists)
        (decoder,) = psutil.Process(process.pid).children()
        start = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143
    assert time.monotonic() - start < 10
    assert b"1 done, 0 skipped, 0 failed, 1 left" in err
    wait_for(lambda: ended(decoder))


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the signal of a pipe ends nothing")
def test_a_decoder_at_work_ends_with_a_run_that_is_killed(tmp_path, esc, draw):
    marker = tmp_path / "hangs"
    draw(tmp_path / "b.tga", compression="tga_rle")
    env = plugin(tmp_path / "plugin", marker)
    process = esc.start("b.tga", cwd=tmp_path, env=env)
    try:
        wait_for(marker.exists)
        (decoder,) = psutil.Process(process.pid).children()
    finally:
        process.kill()
        process.communicate()
    wait_for(lambda: ended(decoder))


def test_a_decoder_that_crashes_fails_its_picture_alone(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.tga", compression="tga_rle")
    draw(tmp_path / "in" / "c.png")
    env = plugin(tmp_path / "plugin", tmp_path / "marker", crashes=True)
    process = esc.start("in", cwd=tmp_path, env=env)
    out, err = process.communicate(timeout=120)
    ran = esc.ended(process.returncode, out, err)
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "b.tga" in line
    assert "its decoder broke off" in line
    assert "2 done, 0 skipped, 1 failed" in ran.err


def test_a_decoder_that_takes_too_long_fails_when_its_time_is_up(tmp_path):
    large, tile = Image.new("RGB", (5000, 5000)), Image.effect_noise((1000, 1000), 90)
    for place in range(25):
        large.paste(tile.convert("RGB"), (place % 5 * 1000, place // 5 * 1000))
    large.save(tmp_path / "a.jpg", quality=95, progressive=True)  # a second of a processor
    whole, bounds = (tmp_path / "a.jpg").read_bytes(), Bounds(10**8)
    header = probe(whole, bounds)
    assert decode(whole, header, bounds).header == header
    with pytest.raises(ReadError, match="does not come to an end"):
        decode(whole, replace(header, width=1, height=1), replace(bounds, seconds=0.01))


def wait_for(there):
    """Wait for an event; how long is for the slowest of machines."""
    deadline = time.monotonic() + 120
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ended(process: psutil.Process) -> bool:
    """Also where nobody has asked for its exit code yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
