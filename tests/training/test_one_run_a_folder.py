"""One folder takes one run at a time."""

from __future__ import annotations

import errno
import os
import signal

import pytest
from command import at_its_end

from esc_cli.errors import UsageError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import TrainOptions
from esc_cli.tasks.train.run import TrainTask
from esc_cli.training.events import Cached, Saved
from esc_cli.training.folder import RunFolder, RunLock
from esc_cli.training.recipe import load_recipe

BUSY = "another esc trains here now (wait for it or stop it, or choose another --out)"


def contents(out):
    return {path.name: path.read_bytes() for path in RunFolder(out).all()}


@pytest.fixture
def begun(recipe, pictures, tmp_path):
    """Begins a run in a process of its own, up to a line that it writes."""

    def begin(train, text):
        often = ("--save-every", 0, "--iterations", 5000, "--log-every", 1)
        process = train.start(recipe, "--data", pictures, "--out", tmp_path / "run", *often)
        assert any(text.encode() in line for line in process.stderr)
        return process

    return begin


@pytest.mark.slow
def test_a_second_run_in_a_folder_is_refused_and_a_killed_one_leaves_it_free(
    train, begun, recipe, pictures, tmp_path
):
    out = tmp_path / "run"
    arguments = (recipe, "--data", pictures, "--out", out)
    first = begun(train, "step-00000001")
    first.send_signal(signal.SIGSTOP)
    before = contents(out)
    for more in ((), ("--resume", "auto"), ("--resume", RunFolder(out).newest())):
        ran = train(*arguments, *more)
        assert ran.code == 2
        assert f"error: {out}: {BUSY}" in ran.err
    assert contents(out) == before
    first.kill()
    first.communicate(timeout=60)
    step = int(RunFolder(out).newest().stem[5:])
    ran = train(*arguments, "--resume", "auto", "--iterations", step + 1)
    assert ran.code == 0, ran.err


def test_a_run_that_only_decodes_yet_holds_its_folder(recipe, pictures, tmp_path, train):
    events = TrainTask(TrainOptions(load_recipe(str(recipe)), pictures, tmp_path), Stop()).run()
    assert isinstance(next(events), Cached)
    other = tmp_path / "other-cache"
    ran = train(recipe, "--data", pictures, "--out", tmp_path, "--cache", other)
    assert ran.code == 2
    assert f"{tmp_path}: {BUSY}" in ran.err
    assert not other.exists()
    events.close()
    RunLock(tmp_path).hold()  # free again


def test_a_run_that_another_has_overtaken_does_not_go_over_it(recipe, pictures, tmp_path):
    """Both found an empty folder; the other one is through before this one holds it."""
    options = TrainOptions(load_recipe(str(recipe)), pictures, tmp_path / "run")
    late = TrainTask(options, Stop())
    take = late.lock.hold

    def overtaken():
        assert any(isinstance(event, Saved) for event in TrainTask(options, Stop()).run())
        take()

    late.lock.hold = overtaken
    with pytest.raises(UsageError, match="holds the checkpoints of an earlier run"):
        list(late.run())


@pytest.mark.slow
def test_a_job_of_several_processes_is_refused_with_one_reason(train, recipe, pictures, tmp_path):
    """The other way round, that only the first process holds the folder, shows where two train."""
    lock = RunLock(tmp_path / "run")
    lock.hold()
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(28600 + os.getpid() % 1000)}
    arguments = (recipe, "--data", pictures, "--out", lock.folder, "--device", "cpu")
    running = [
        train.start(*arguments, env={"SLURM_NTASKS": "2", "SLURM_PROCID": str(rank)} | meeting)
        for rank in range(2)
    ]
    refused, other = map(at_its_end, running)
    assert (refused.code, refused.err) == (2, f"error: {lock.folder}: {BUSY}\n")
    assert other.code == 1
    assert "another process of this run has ended, and its own message says why" in other.err
    assert [path.name for path in lock.folder.iterdir()] == [".lock"]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_where_a_file_system_has_no_locks_a_run_goes_on(number, tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(*_arguments):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    for _ in range(2):  # the second finds what the first left
        with RunLock(tmp_path / "run") as lock:
            lock.hold()
    (tmp_path / "run" / ".lock").touch()
    with RunLock(tmp_path / "run") as lock, RunLock(tmp_path / "run") as other:
        lock.hold()
        other.hold()
