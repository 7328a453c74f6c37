"""Two processes that train together compute what one computes alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from esc_cli.errors import UsageError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import TrainOptions
from esc_cli.tasks.train.run import TrainTask
from esc_cli.training.distributed import find_place
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.recipe import load_recipe

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("measured_processes")]

ROOT = Path(__file__).parents[2]
LOSS_TOLERANCE = 1e-5
"""Relative: sums of gradients in another order, over five iterations."""


def logged(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def arguments(recipe, pictures):
    fixed = ("--iterations", "5", "--log-every", "1", "--device", "cpu", "--set", "precision=fp32")
    return ["train", str(recipe), "--data", str(pictures), *fixed]


def run(command, **environment):
    own = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(command, env=own, stderr=subprocess.PIPE, text=True)


def test_two_processes_of_torchrun_give_the_losses_of_one(arguments, tmp_path):
    launch = ["torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "esc_cli"]
    outs = [tmp_path / "two", tmp_path / "one"]
    for out, start in zip(outs, (launch, ["esc_cli"]), strict=True):
        process = run([sys.executable, "-m", *start, *arguments, "--out", str(out)])
        err = process.communicate(timeout=120)[1]
        assert process.returncode == 0, err
        assert err.count("finished after 5 iterations") == 1, err
    two, one = map(logged, outs)
    assert len(two) == len(one) == 5
    for together, alone in zip(two, one, strict=True):
        assert together["loss"] == pytest.approx(alone["loss"], rel=LOSS_TOLERANCE)
    states = [read_checkpoint(RunFolder(out).newest())["params"] for out in outs]
    for key, value in states[0].items():
        assert torch.allclose(value, states[1][key], atol=1e-4), key


def test_two_tasks_of_srun_meet_at_master_addr_and_stop_together(arguments, tmp_path):
    command = [sys.executable, "-m", "esc_cli", *arguments, "--out", str(tmp_path)]
    command += ["--iterations", "100000"]
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(29600 + os.getpid() % 1000)}
    first, second = (
        run(command, SLURM_PROCID=str(rank), SLURM_NTASKS="2", SLURM_LOCALID=str(rank), **meeting)
        for rank in range(2)
    )
    assert first.stderr is not None
    assert any(" 3 0:00" in line for line in first.stderr)
    second.send_signal(signal.SIGTERM)
    errs = [process.communicate(timeout=120)[1] for process in (first, second)]
    assert [first.returncode, second.returncode] == [143, 143], errs
    reached = RunFolder(tmp_path).newest()
    assert reached is not None
    assert f"saved {reached}" in errs[0]
    assert len(logged(tmp_path)) == read_checkpoint(reached)["step"]
    assert errs[1].splitlines() == ["error: stopped by signal 15"]


def test_tasks_of_srun_without_a_meeting_place_are_refused():
    environment = {"SLURM_STEP_NUM_TASKS": "2", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"}
    with pytest.raises(UsageError, match="MASTER_ADDR"):
        find_place(environment)


def test_a_batch_that_cannot_be_split_is_refused(recipe, pictures, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")
    task = TrainTask(TrainOptions(load_recipe(str(recipe)), pictures, tmp_path), Stop())
    with pytest.raises(UsageError, match="a batch of 2 cannot be split over 3 processes"):
        next(task.run())
