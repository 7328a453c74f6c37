"""Shares of one video as processes that run at once, one of which is killed."""

from __future__ import annotations

import subprocess
import time

import pages
import pytest
from clips import Clip

pytestmark = pytest.mark.slow

WORDS = ("--codec", "prores", "--segment-frames", "3")


def test_shares_at_once_of_which_one_is_killed_make_what_one_machine_makes(
    esc, esc_command, tmp_path
):
    films, out, alone = (tmp_path / name for name in ("films", "out", "alone"))
    Clip(frames=60, size=(48, 32), audio=("eng",)).write(films / "clip.mov")
    assert esc(films, "-o", alone, *WORDS).code == 0
    reports = [tmp_path / f"{index}.jsonl" for index in (1, 2)]
    shares = [
        (films, "-o", out, *WORDS, "--shard", f"{index}/2", "--shard-videos", "--report", report)
        for index, report in enumerate(reports, 1)
    ]
    killed, other = (esc.start(*words) for words in shares)
    end = time.monotonic() + 90
    while not list(out.glob(".clip*/*/journal.1of2.jsonl")) and time.monotonic() < end:
        time.sleep(0.005)
    killed.kill()
    killed.communicate()
    other.communicate(timeout=120)
    assert other.returncode == 0
    assert not (out / "clip.mov").exists()
    told = esc_command("report", "merge", *reports)
    assert told.code == 1
    assert "share 1/2 has not ended" in told.err
    assert "not joined yet" in told.err
    ran = esc(*shares[0])
    assert (ran.code, ran.out.strip()) == (0, str(out / "clip.mov")), ran.err
    assert (out / "clip.mov").read_bytes() == (alone / "clip.mov").read_bytes()
    assert esc_command("report", "merge", *reports).code == 0
    assert not list(out.glob(".clip*"))


def test_the_commands_in_the_documentation(tmp_path):
    # Segments as short as this clip needs; all else word for word.
    environment = pages.machine(tmp_path, "--segment-frames 3")
    Clip(frames=27, size=(32, 16)).write(tmp_path / "films" / "clip.mp4")
    command = ["bash", "-c", pages.marked("machines.md", "shared")]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, check=False)
    assert (ran.returncode == 0) == (tmp_path / "large" / "clip.mp4").exists()
    reports = sorted((tmp_path / "reports").iterdir())
    assert [path.name for path in reports] == ["1.jsonl", "2.jsonl"]
