"""Long videos whose segments are shared by workers: the bytes of one machine."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess

import pages
import pytest
from clips import Clip
from command import ROOT

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow

WORDS = ("--codec", "prores", "--segment-frames", "3")


@pytest.fixture
def films(esc, tmp_path):
    """A folder of two clips, a long and a short one; what one machine makes is beside it."""
    folder = tmp_path / "films"
    Clip(frames=90, size=(48, 32), audio=("eng",)).write(folder / "long.mov")
    Clip(frames=5, size=(48, 32)).write(folder / "short.mov")
    assert esc(folder, "-o", tmp_path / "alone", *WORDS).code == 0
    return folder


SLOW = """
import os, sys, time

def wait(event, arguments):
    if event == "open" and ".esc-segments" in str(arguments[0]) and ".segment" in str(arguments[0]):
        time.sleep(4.0 * bool((arguments[2] or 0) & os.O_CREAT))

sys.addaudithook(wait)
"""
"""A sitecustomize.py: each segment that is written takes so many seconds more."""

PATIENT = """
import sys, time

def wait(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".segment"):
        time.sleep(0.3)

sys.addaudithook(wait)
"""
"""A sitecustomize.py: each segment that is opened takes so many seconds more."""


def videos(below, folder):
    return {name: own for name, own in below(folder).items() if name.endswith(".mov")}


def followed(cluster, process, out):
    """(how the lines of each worker's journal grew until the end, its code, its words)."""
    lines: dict[str, int] = {}

    def has_ended():
        for path in out.glob(".long*/*/journal.*.jsonl"):
            with contextlib.suppress(OSError):
                lines[path.name] = max(lines.get(path.name, 0), path.read_bytes().count(b"\n"))
        return process.poll() is not None

    cluster.wait_for(has_ended, 600)
    return lines


def test_workers_share_a_long_video_one_of_them_is_killed(esc, cluster, films, below):
    out = films.with_name("out")
    words = (films, "-o", out, *WORDS, "--cluster", cluster.address, "--shard-videos")
    process = esc.start(*words)
    cluster.wait_for(lambda: len(list(out.glob(".long*/*/*.segment"))) > 1, 600)
    cluster.workers()[0].kill()
    lines = followed(cluster, process, out)
    ran = esc.ended(process.returncode, *process.communicate())
    assert ran.code == 0, ran.err
    assert "2 done, 0 skipped, 0 failed" in ran.err
    assert videos(below, out) == videos(below, films.with_name("alone"))
    assert set(lines) <= {f"journal.{index}of{index}.jsonl" for index in (1, 2, 3)}
    assert 28 <= sum(lines.values()) <= 30  # nothing twice but what the killed one had in hand
    assert not list(out.glob(".long.mov*"))


def test_of_unlike_workers_the_faster_does_more(esc, cluster, films, below, tmp_path):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "sitecustomize.py").write_text(SLOW)
    slow = cluster.add_node(path=str(tmp_path / "slow"))
    out = films.with_name("out")
    try:
        words = (films, "-o", out, *WORDS, "--cluster", cluster.address, "--shard-videos")
        process = esc.start(*words)
        lines = followed(cluster, process, out)
        ran = esc.ended(process.returncode, *process.communicate())
    finally:
        cluster.kill(slow)
    assert ran.code == 0, ran.err
    assert len(lines) == 3
    assert 28 <= sum(lines.values()) <= 30
    assert 2 * min(lines.values()) < max(lines.values()), lines
    assert videos(below, out) == videos(below, films.with_name("alone"))


@pytest.fixture
def joining(esc, cluster, films, tmp_path):
    """Starts a run whose driver reads segments slowly, and waits until it is joining the long
    video and a worker has done the short one meanwhile."""
    path = tmp_path / "patient"
    path.mkdir()
    (path / "sitecustomize.py").write_text(PATIENT)
    environment = {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}"}

    def start(out, short):
        words = (films, "-o", out, *WORDS, "--cluster", cluster.address, "--shard-videos")
        process = esc.start(*words, env=environment)
        if short:
            assert process.stdout.readline().endswith(b"short.mov\n")
        cluster.wait_for(lambda: list(out.glob(".long.mov.*.esc-part")), 600)
        (part,) = out.glob(".long.mov.*.esc-part")
        assert f"-{process.pid}-" in part.name, "the driver joins, and nobody else"
        return process

    return start


def test_the_driver_joins_and_is_killed_meanwhile(esc, on_cluster, cluster, films, joining, below):
    """By SIGTERM, then by SIGKILL: the next run, on the cluster or alone, joins what is there."""
    out = films.with_name("out")
    process = joining(out, short=True)
    process.send_signal(signal.SIGTERM)
    ran = esc.ended(process.returncode, *process.communicate(timeout=120))
    assert process.returncode == 143
    assert "stopped by a signal" in ran.err
    assert "did not let go" not in ran.err
    assert "1 done, 0 skipped, 0 failed, 1 left" in ran.err
    assert not list(out.glob(".long.mov.*.esc-part"))
    (folder,) = (path.parent for path in out.glob(".long.mov*/*/journal.jsonl"))
    finished = {path.name: path.stat().st_mtime_ns for path in folder.glob("*.segment")}
    assert len(finished) == 30
    process = joining(out, short=False)
    process.kill()
    process.communicate()
    cluster.wait_for(lambda: not cluster.workers(), 60)
    assert not (out / "long.mov").exists()
    assert finished == {path.name: path.stat().st_mtime_ns for path in folder.glob("*.segment")}
    shutil.copytree(out, films.with_name("copy"))
    for folder, run in ((out, on_cluster), (films.with_name("copy"), esc)):
        more = () if run is esc else ("--shard-videos",)
        ran = run(films, "-o", folder, *WORDS, *more)
        assert ran.code == 0, ran.err
        assert "1 done, 1 skipped" in ran.err
        assert videos(below, folder) == videos(below, films.with_name("alone"))
        assert not list(folder.glob(".long*"))


def test_the_command_of_the_documentation(cluster, tmp_path):
    # Segments as short as this clip needs, and this cluster; all else word for word.
    environment = pages.machine(tmp_path, "--segment-frames 3") | cluster.environment
    environment["RAY_ADDRESS"] = cluster.address
    Clip(frames=27, size=(32, 16), audio=("eng",)).write(tmp_path / "films" / "clip.mp4")
    command = ["bash", "-c", pages.marked("cluster.md", "films")]
    ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    assert b"1 done, 0 skipped, 0 failed" in ran.stderr
    assert [path.name for path in (tmp_path / "large").glob("[!.]*")] == ["clip.mp4"]
