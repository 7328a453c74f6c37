"""Killed or stopped, a run goes on as if nothing had happened."""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest
import torch
from training_runs import stopped_after

from esc_cli.errors import StoppedError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.train.options import DEFAULT_INTERVALS, TrainOptions
from esc_cli.tasks.train.run import TrainTask
from esc_cli.training.events import Cached
from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.recipe import load_recipe

pytestmark = pytest.mark.slow


def newest(out):
    path = RunFolder(out).newest()
    assert path is not None
    return read_checkpoint(path)


def assert_equal(one, other):
    for part in ("params", "params_ema"):
        assert one[part].keys() == other[part].keys()
        for key, value in one[part].items():
            assert torch.equal(value, other[part][key]), key
    for state, same in zip(
        one["optimiser"]["state"].values(), other["optimiser"]["state"].values(), strict=True
    ):
        assert all(torch.equal(state[key], same[key]) for key in state)


@pytest.fixture(scope="module")
def uninterrupted(recipe, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "run"
    options = TrainOptions(
        load_recipe(str(recipe)), pictures, out, intervals=replace(DEFAULT_INTERVALS, log=1)
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the processes it is compared with: sums depend on it
    try:
        assert list(TrainTask(options, Stop()).run())
    finally:
        torch.set_num_threads(threads)
    return out


def test_a_killed_and_resumed_run_gives_the_very_weights_of_an_uninterrupted_one(
    train, recipe, pictures, uninterrupted, tmp_path
):
    arguments = (recipe, "--data", pictures, "--out", tmp_path, "--save-every", 0)
    arguments += ("--log-every", 1, "--keep", 100)
    killed = stopped_after(train, 3, signal.SIGKILL, *arguments)
    assert killed.code == -signal.SIGKILL
    reached = newest(tmp_path)["step"]
    assert 3 <= reached < 8
    resumed = train(*arguments, "--resume", "auto", process=True)
    assert resumed.code == 0
    assert f"going on from {tmp_path}/checkpoints/step-{reached:08d}.pt" in resumed.err
    assert newest(tmp_path)["step"] == 8
    assert_equal(newest(tmp_path), newest(uninterrupted))
    logs = [folder / "log.jsonl" for folder in (tmp_path, uninterrupted)]
    losses = [[json.loads(line)["loss"] for line in log.open()] for log in logs]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 8


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_a_checkpoint_and_gives_its_exit_code(
    train, recipe, pictures, tmp_path, number, code
):
    arguments = (recipe, "--data", pictures, "--out", tmp_path, "--iterations", 5000)
    ran = stopped_after(train, 2, number, *arguments, "--save-every", 0)
    assert ran.code == code
    assert "--resume auto goes on" in ran.err
    last = ran.err.split("step-")[-1].split(".pt")[0]
    assert newest(tmp_path)["step"] == int(last) < 5000


def test_an_earlier_run_is_not_written_over(train, recipe, pictures, uninterrupted):
    ran = train(recipe, "--data", pictures, "--out", uninterrupted)
    assert ran.code == 2
    assert "--resume auto" in ran.err
    assert newest(uninterrupted)["step"] == 8


def test_a_damaged_checkpoint_is_named(train, recipe, pictures, tmp_path):
    arguments = (recipe, "--data", pictures, "--out", tmp_path)
    assert train(*arguments, "--iterations", 1).code == 0
    path = RunFolder(tmp_path).newest()
    path.write_bytes(path.read_bytes()[:-2000])
    ran = train(*arguments, "--resume", "auto")
    assert ran.code == 3
    assert path.name in ran.err


def test_a_checkpoint_of_another_network_is_refused(train, recipe, pictures, uninterrupted):
    arguments = (recipe, "--data", pictures, "--out", uninterrupted, "--resume", "auto")
    ran = train(*arguments, "--scale", 3)
    assert ran.code == 2
    assert "the checkpoint is of esc-tiny x2, the recipe of esc-tiny x3" in ran.err


def test_a_changed_recipe_is_told(train, recipe, pictures, uninterrupted):
    arguments = (recipe, "--data", pictures, "--out", uninterrupted, "--resume", "auto")
    ran = train(*arguments, "--set", "optimiser.clip=0.25")
    assert ran.code == 0
    assert "the recipe has changed since the checkpoint: optimiser.clip" in ran.err


def test_a_signal_while_pictures_are_decoded_stops_at_once(recipe, pictures, tmp_path):
    stop = Stop()
    task = TrainTask(TrainOptions(load_recipe(str(recipe)), pictures, tmp_path), stop)
    events = task.run()
    assert isinstance(next(events), Cached)
    stop.set(signal.SIGTERM)
    with pytest.raises(StoppedError):
        next(events)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [".lock"]
