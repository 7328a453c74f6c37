"""Workers, machines and drivers are lost, results are not; the exit code is the documented one."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow


def begun(esc, cluster, *words):
    """A run that has done its first item."""
    process = esc.start(*words, "--cluster", cluster.address)
    process.stdout.readline()
    return process


def ended(esc, process):
    out, err = process.communicate(timeout=120)
    return esc.ended(process.returncode, out, err)


def test_a_killed_worker_costs_nothing(esc, cluster, photos, whole, below):
    process = begun(esc, cluster, photos)
    cluster.workers()[0].kill()
    ran = ended(esc, process)
    assert ran.code == 0, ran.err
    assert "12 done, 0 skipped, 0 failed" in ran.err
    output = photos.with_name("in_x4")
    parts = list(output.rglob(".*.esc-part"))  # of the picture that it was writing, if any
    assert len(parts) <= 1
    assert {name: own for name, own in below(output).items() if name in whole} == whole
    (photos / "sub0" / "00.png").touch()
    assert "1 done, 11 skipped" in esc(photos).err
    assert below(output) == whole


def test_a_picture_that_kills_every_worker_fails_by_name_and_so_does_a_bad_one(
    on_cluster, photos, whole, below
):
    shutil.copy(photos / "sub0" / "00.png", photos / "poison.png")
    (photos / "bad.png").write_bytes((photos / "sub0" / "00.png").read_bytes()[:900])
    ran = on_cluster(photos)
    assert ran.code == 1
    assert "12 done, 0 skipped, 2 failed" in ran.err
    (line,) = ran.lines_naming("bad.png")
    assert "workers were lost" not in line
    (line,) = ran.lines_naming("poison.png")
    assert "3 workers were lost with it" in line
    assert "its process was killed" in line
    assert below(photos.with_name("in_x4")) == whole


TAKES_AND_KEEPS = """
import sys, time

def take(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".png"):
        open({taken!r}, "a").close()
        time.sleep(600)

sys.addaudithook(take)
"""
"""A sitecustomize.py: whatever process opens a picture says so, and does nothing more."""


def test_machines_come_and_go_in_the_middle(esc, cluster, held, whole, below, tmp_path):
    """The two that there are hold a picture each until a third has come, taken one, and gone."""
    (tmp_path / "late").mkdir()
    taken = tmp_path / "taken"
    (tmp_path / "late" / "sitecustomize.py").write_text(TAKES_AND_KEEPS.format(taken=str(taken)))
    process = esc.start(tmp_path / "in", "--cluster", cluster.address)
    cluster.wait_for(lambda: held.count == 2)
    late = cluster.add_node(path=str(tmp_path / "late"))
    cluster.wait_for(taken.exists)
    cluster.kill(late)
    held.release()
    ran = ended(esc, process)
    assert ran.code == 0, ran.err
    assert "12 done, 0 skipped, 0 failed" in ran.err
    output = below(tmp_path / "in_x4")
    assert {name: own for name, own in output.items() if name in whole} == whole


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_driver_and_workers(esc, cluster, photos, whole, below, number):
    process = begun(esc, cluster, photos)
    process.send_signal(number)
    ran = ended(esc, process)
    assert ran.code == 128 + number
    assert "stopped by a signal" in ran.err
    cluster.wait_for(lambda: not cluster.workers(), 20)
    assert esc(photos).code == 0
    assert below(photos.with_name("in_x4")) == whole


def test_a_killed_driver_takes_its_workers_along(esc, on_cluster, cluster, photos, whole, below):
    process = begun(esc, cluster, photos)
    process.kill()
    process.communicate()
    cluster.wait_for(lambda: not cluster.workers(), 30)
    ran = on_cluster(photos)
    assert ran.code == 0
    assert " 0 skipped" not in ran.err
    assert below(photos.with_name("in_x4")) == whole


@pytest.mark.parametrize("held", ["before-writing"], indirect=True)
def test_a_deadline_ends_what_would_come_next(esc, cluster, photos, held):
    """The pictures that both workers have in hand then are finished."""

    def started(minutes):
        """The run, and when its time is surely up; a longer one where workers did not begin."""
        process = esc.start(photos, "--cluster", cluster.address, "--max-minutes", minutes)
        cluster.wait_for(lambda: held.count == 2 or process.poll() is not None)
        if process.poll() is None:  # its clock began after its start, and before they began
            return process, time.monotonic() + 60 * minutes
        process.communicate()
        return started(2 * minutes)

    process, end = started(0.2)
    time.sleep(max(0.0, end - time.monotonic()))
    held.release()
    ran = ended(esc, process)
    assert ran.code == 75, ran.err
    assert "the time is up" in ran.err
    assert "2 done, 0 skipped, 0 failed, 10 left" in ran.err
