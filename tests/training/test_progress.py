"""What a run tells: lines, a bar in a terminal, a log, a picture."""

from __future__ import annotations

import json
import os
import re
import struct

import pytest
from PIL import Image

from esc_cli.tasks.train.plot import write_plot


def test_lines_name_loss_rate_speed_and_waiting(train, recipe, pictures, tmp_path):
    out = tmp_path / "run"
    ran = train(recipe, "--data", pictures, "--out", out, "--log-every", 2)
    lines = [line for line in ran.err.splitlines() if " loss " in line]
    assert len(lines) == 4
    pattern = r"\d+\.\d% +\d+ 0:00:\d\d loss 0\.\d+, rate \d\.\d\de-0\d, \d+\.\d\d it/s, "
    assert all(re.search(pattern + r"\d+ patches/s, waiting \d+\.\d%", line) for line in lines)
    logged = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in logged] == [2, 4, 6, 8]
    rates = [entry["rate"] for entry in logged]
    assert rates == pytest.approx([2e-3 / 3, 1e-3, 5e-4, 5e-4])


@pytest.mark.slow
def test_a_terminal_gets_a_bar(train, recipe, pictures, tmp_path):
    pytest.importorskip("tqdm")
    fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
    master, end = os.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("4H", 40, 150, 0, 0))
    words = ("--log-every", 1, "--data", pictures, "--out", tmp_path, "--iterations", 3)
    process = train.start(recipe, *words, stderr=end)
    os.close(end)
    shown = b""
    while True:
        try:
            piece = os.read(master, 4096)
        except OSError:  # the terminal's other end is closed
            break
        if not piece:
            break
        shown += piece
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert b"100.0%" in shown
    assert "█".encode() in shown
    assert b"finished after 3 iterations" in shown


def test_the_plot_shows_loss_and_psnr(tmp_path):
    pytest.importorskip("matplotlib")
    log = tmp_path / "log.jsonl"
    entries = [{"step": step, "loss": 1 / step} for step in range(1, 9)]
    log.write_text("".join(json.dumps(entry) + "\n" for entry in entries) + '{"step": 9, "lo')
    write_plot(log, tmp_path / "without.png")
    scored = {"step": 4, "scores": {"Set5": {"psnr": 30.0, "ssim": 0.9}}}
    log.write_text(log.read_text().rpartition("\n")[0] + "\n" + json.dumps(scored) + "\n")
    write_plot(log, tmp_path / "with.png")
    with Image.open(tmp_path / "without.png") as one, Image.open(tmp_path / "with.png") as other:
        assert one.size == other.size == (960, 540)
        assert one.tobytes() != other.tobytes()


def test_plot_writes_the_picture_of_the_run(train, recipe, pictures, tmp_path):
    pytest.importorskip("matplotlib")
    target = tmp_path / "curve.png"
    arguments = (recipe, "--data", pictures, "--iterations", 2, "--log-every", 1)
    ran = train(*arguments, "--out", tmp_path / "run", "--plot", target)
    assert ran.code == 0
    with Image.open(target) as image:
        assert image.format == "PNG"
