"""One process at a time; and where a file system has no locks, going on with a note."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from clips import Clip
from PIL import Image

from esc_cli.checkpoints.fetch import Supply, pull
from esc_cli.checkpoints.releases import release_of_file
from esc_cli.errors import DiskError, StoppedError
from esc_cli.files.http import Link
from esc_cli.files.lock import Lock
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.pictures import PictureFolder
from esc_cli.tasks.upscale.events import Item, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.run import upscale
from esc_cli.training.events import Note

HOLD = """
import sys, time
from pathlib import Path
from esc_cli.files.lock import Lock
lock = Lock(Path(sys.argv[1]))
assert lock.take()
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock `tmp_path / "lock"`."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(params=[errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def no_locks(request, monkeypatch):
    """The system answers as on a file system without locks."""
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_arguments):
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_another_process_is_told_apart_and_a_killed_one_leaves_the_lock_free(tmp_path, holder):
    lock = Lock(tmp_path / "lock")
    assert not lock.take()
    holder.kill()
    holder.wait()
    assert lock.take()
    assert lock.take()
    assert lock.missing == ""
    lock.release()


def test_who_waits_says_so_and_goes_on_when_the_other_has_ended(tmp_path, holder):
    lock, told = Lock(tmp_path / "lock"), []
    for text in lock.wait(limit_s=30):
        told.append(text)
        holder.kill()
    assert len(told) == 1
    assert "waiting for another esc" in told[0]
    assert "lock" in told[0]


def test_nobody_waits_for_ever(tmp_path, holder):
    began = time.monotonic()
    with pytest.raises(DiskError, match=r"another esc has held this for \d+ s"):
        list(Lock(tmp_path / "lock").wait(limit_s=1.5))
    assert time.monotonic() - began < 10


def test_a_stop_ends_the_waiting_for_the_cache_of_training(tmp_path):
    stop, told = Stop(), []
    folder = PictureFolder(tmp_path, tmp_path, 10**6, check_stop=stop.check)
    holding = Lock(folder.cache / ".lock")
    assert holding.take()
    (tmp_path / "a.png").write_bytes(b"not looked at")

    def fill():
        for event in folder.pictures():
            told.append(event.text)
            stop.set(15)

    with pytest.raises(StoppedError):
        fill()
    assert "waiting for another esc" in told[0]


def test_what_one_thread_holds_another_may_release(tmp_path):
    held, other = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert held.take()
    assert not other.take()
    thread = threading.Thread(target=held.release)
    thread.start()
    thread.join()
    assert other.take()


def test_without_locks_nobody_is_kept_out_and_it_is_said(tmp_path, no_locks):
    one, two = Lock(tmp_path / "lock"), Lock(tmp_path / "lock")
    assert one.take()
    notes = list(two.wait(limit_s=1))
    assert len(notes) == 1
    assert "has no locks" in notes[0]


def test_another_failure_of_the_lock_is_an_error(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_arguments):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(DiskError):
        Lock(tmp_path / "lock").take()


def test_a_video_is_upscaled_without_locks_and_the_user_is_told(tmp_path, no_locks):
    clip = Clip(size=(32, 24), frames=3).write(tmp_path / "clip.mkv")
    options = UpscaleOptions((str(clip),), output=str(tmp_path / "out"), target=Target(scale=2))
    events = list(upscale(options, Stop()))
    assert [event.status for event in events if isinstance(event, Item)] == ["done"]
    assert [e for e in events if isinstance(e, Remark) and "has no locks" in e.text]


def test_weights_are_fetched_without_locks_and_the_user_is_told(
    tmp_path, no_locks, weights_server, published_file
):
    release = release_of_file("ESC_FP_X2.pth")
    weights_server.files = {release.file: published_file("esc-fp", 2)}
    told = []
    supply = Supply(Link(timeout_s=5.0, pauses_s=(), told=told.append))
    target = tmp_path / "weights" / "x.pth"
    pull(release, target, supply)
    assert target.is_file()
    assert [text for text in told if "has no locks" in text]


def test_the_cache_of_training_is_filled_without_locks_and_the_user_is_told(tmp_path, no_locks):
    (tmp_path / "in").mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "in" / "a.png")
    filling = PictureFolder(tmp_path / "in", tmp_path / "cache", 10**6).pictures()
    events = list(filling)
    assert [event for event in events if isinstance(event, Note) and "has no locks" in event.text]


def test_addresses_are_done_without_locks_and_the_user_is_told(tmp_path, no_locks):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "in" / "a.png")
    places = {"output": f"file://{tmp_path}/out", "staging": str(tmp_path / "staging")}
    options = UpscaleOptions((f"file://{tmp_path}/in",), target=Target(scale=2), **places)
    events = list(upscale(options, Stop()))
    assert [event.status for event in events if isinstance(event, Item)] == ["done"]
    assert [e for e in events if isinstance(e, Remark) and "has no locks" in e.text]
