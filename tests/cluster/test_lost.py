"""Workers, machines and drivers are lost, results are not; the exit code is the documented one."""

from __future__ import annotations

import shutil
import signal

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


def test_a_picture_that_kills_every_worker_fails_by_name(on_cluster, photos, whole, below):
    shutil.copy(photos / "sub0" / "00.png", photos / "poison.png")
    ran = on_cluster(photos)
    assert ran.code == 1
    assert "12 done, 0 skipped, 1 failed" in ran.err
    (line,) = ran.lines_naming("poison.png")
    assert "3 workers were lost with it" in line
    assert "its process was killed" in line
    assert below(photos.with_name("in_x4")) == whole


def test_machines_come_and_go_in_the_middle(esc, cluster, photos, whole, below, more_photos):
    more_photos(photos, 150)
    process = begun(esc, cluster, photos)
    late = cluster.add_node()
    cluster.wait_for(lambda: len(cluster.workers()) == 3)
    done_by_then = process.stdout.readline()
    assert done_by_then
    cluster.kill(late)
    ran = ended(esc, process)
    assert ran.code == 0, ran.err
    assert "162 done, 0 skipped, 0 failed" in ran.err
    assert whole.items() <= below(photos.with_name("in_x4")).items()


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


def test_a_deadline_ends_what_would_come_next(on_cluster, photos, more_photos):
    more_photos(photos, 1500)  # a minute's work at least
    ran = on_cluster(photos, "--max-minutes", 0.25)
    assert ran.code == 75, ran.err
    assert "the time is up" in ran.err
    assert " 0 failed" in ran.err
    assert not any(line.startswith("0 done") for line in ran.lines_naming("done"))
