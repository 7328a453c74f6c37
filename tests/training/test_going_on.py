"""Going on from a checkpoint that the user names, and beginning with weights by their name."""

from __future__ import annotations

import io
import shutil
from functools import partial
from pathlib import Path

import pytest
import torch

from esc_cli.training.folder import RunFolder, read_checkpoint
from esc_cli.training.recipe import Schedule
from esc_cli.training.schedule import Position, from_here

OFTEN = ("--save-every", 0, "--log-every", 1, "--keep", 100)


@pytest.fixture
def export_here(esc):
    return partial(esc, "weights", "export")


@pytest.fixture
def arguments(recipe, pictures, tmp_path):
    """A run that keeps the checkpoint of each of its eight iterations."""
    return recipe, "--data", pictures, "--out", tmp_path / "run", *OFTEN


@pytest.fixture(scope="module")
def finished(train, recipe, pictures, tmp_path_factory):
    """A run at its end."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert train(recipe, "--data", pictures, "--out", folder, *OFTEN).code == 0
    return folder


@pytest.fixture
def run(finished, tmp_path):
    """That run, with the names that `arguments` give."""
    return RunFolder(Path(shutil.copytree(finished, tmp_path / "run")))


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.all()}


@pytest.mark.slow
def test_going_on_from_an_earlier_checkpoint_loses_none_of_the_later_ones(
    train, arguments, run, export_here, tmp_path
):
    before, log = contents(run), (run.path / "log.jsonl").read_text()
    third = run.all()[2]
    ran = train(*arguments, "--resume", third, "--keep", 2, "--iterations", 6)
    assert ran.code == 0, ran.err
    aside = RunFolder(run.path / "set-aside-1")
    assert f"5 later checkpoints are kept in {aside.path}, with the log as it was" in ran.err
    assert f"going on from {third}, iteration 3" in ran.err
    later = {name: content for name, content in before.items() if name > third.name}
    assert contents(aside) == later
    assert (aside.path / "log.jsonl").read_text() == log
    assert [path.name for path in run.all()] == ["step-00000005.pt", "step-00000006.pt"]
    again = read_checkpoint(run.newest())["params"]
    first = torch.load(io.BytesIO(before["step-00000006.pt"]), weights_only=True)["params"]
    assert all(torch.equal(value, first[key]) for key, value in again.items())
    assert export_here(aside.path, tmp_path / "mine.safetensors").code == 0
    ran = train(*arguments, "--resume", run.all()[0])
    assert "1 later checkpoint is kept in" in ran.err
    assert [path.name for path in RunFolder(run.path / "set-aside-2").all()] == ["step-00000006.pt"]
    assert contents(aside) == later


def test_going_on_from_the_newest_checkpoint_by_name_moves_nothing(train, arguments, run):
    ran = train(*arguments, "--resume", run.newest(), "--iterations", 9)
    assert ran.code == 0, ran.err
    assert len(run.all()) == 9
    assert not list(run.path.glob("set-aside*"))


def test_a_checkpoint_set_aside_can_be_gone_back_to(train, arguments, run):
    assert train(*arguments, "--resume", run.all()[1], "--iterations", 4).code == 0
    back = RunFolder(run.path / "set-aside-1").newest()
    assert train(*arguments, "--resume", back, "--iterations", 9).code == 0
    assert read_checkpoint(run.newest())["step"] == 9
    assert back.is_file()


def test_a_checkpoint_of_another_run_does_not_go_over_this_one(
    train, arguments, run, recipe, pictures, tmp_path
):
    other = (recipe, "--data", pictures, "--out", tmp_path / "other", "--iterations", 1)
    assert train(*other).code == 0
    before = contents(run)
    ran = train(*arguments, "--resume", RunFolder(tmp_path / "other").newest())
    assert ran.code == 2
    assert "holds the checkpoints of an earlier run" in ran.err
    assert contents(run) == before


def test_a_mistyped_checkpoint_is_named_although_there_is_a_run(train, arguments, run, tmp_path):
    ran = train(*arguments, "--resume", tmp_path / "nosuch.pt")
    assert ran.code == 2
    assert f"{tmp_path / 'nosuch.pt'}: no such file or folder (give a checkpoint" in ran.err
    assert "earlier run" not in ran.err


def test_nothing_is_moved_before_all_was_checked(train, arguments, run):
    before = contents(run)
    ran = train(*arguments, "--resume", run.all()[2], "--patch", 320)
    assert ran.code == 2
    assert contents(run) == before


def test_a_damaged_checkpoint_names_the_one_before_it(train, export_here, arguments, run):
    *_, before, damaged = run.all()
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    target = run.path / "mine.safetensors"
    for ran in (train(*arguments, "--resume", "auto"), export_here(run.path, target)):
        assert ran.code == 3
        assert f"{damaged}: not a readable training checkpoint" in ran.err
        assert f"the one before it is {before}: remove this one to go on from that" in ran.err
    damaged.unlink()
    assert train(*arguments, "--resume", "auto").code == 0


def test_what_has_no_checkpoint_before_it_is_not_to_be_removed(export_here, run, tmp_path):
    for path in run.all()[1:]:
        path.unlink()
    run.all()[0].write_bytes(b"damaged")
    (tmp_path / "mine.pt").write_bytes(b"precious")
    for path, why in ((run.path, "there is none before it"), (tmp_path / "mine.pt", "give a")):
        ran = export_here(path, tmp_path / "mine.safetensors")
        assert ran.code == 3
        assert "not a readable training checkpoint" in ran.err
        assert why in ran.err
        assert "remove" not in ran.err


@pytest.mark.parametrize("part", ["optimiser", "recipe", "params", "params_ema"])
def test_a_checkpoint_without_a_part_is_none(train, export_here, arguments, run, part):
    path = run.newest()
    torch.save(read_checkpoint(path) | {part: None}, path)
    for ran in (
        train(*arguments, "--resume", "auto", "--iterations", 9),
        export_here(path, run.path / "mine.safetensors"),
    ):
        assert "unexpected" not in ran.err
        assert ran.code in {0, 2, 3}
        assert ran.code == 0 or str(path) in ran.err


def test_a_name_too_long_for_a_run_is_told(export_here, tmp_path):
    ran = export_here(tmp_path / ("n" * 300), tmp_path / "mine.safetensors")
    assert ran.code == 3
    assert "cannot be read: File name too long" in ran.err


@pytest.mark.parametrize("name", ["rnu", "rnu/checkpoints/step-00000008.pt", "mine.pt/run"])
def test_a_mistyped_run_is_wrong_usage(export_here, tmp_path, name):
    (tmp_path / "mine.pt").write_bytes(b"")
    ran = export_here(tmp_path / name, tmp_path / "mine.safetensors")
    assert ran.code == 2
    assert f"{tmp_path / name}: no such file or folder (a run's folder, or a" in ran.err
    assert "remove" not in ran.err


@pytest.mark.slow
def test_published_weights_to_begin_with_are_fetched_by_name(
    train, pictures, tmp_path, weights_server, published_file
):
    weights_server.files = {"ESC_FP_X2.pth": published_file("esc-fp", 2)}
    small = ("--batch", 1, "--patch", 8, "--iterations", 1)
    still = ("--set", "optimiser.learning_rate=1e-30")
    arguments = ("esc-fp", "--data", pictures, "--init", "esc-fp", *small, *still)
    ran = train(*arguments, "--out", tmp_path / "offline", "--offline")
    assert ran.code == 3
    assert "esc weights pull esc-fp-x2" in ran.err
    assert weights_server.requests == []
    assert not (tmp_path / "offline").exists()
    ran = train(*arguments, "--out", tmp_path / "run")
    assert ran.code == 0, ran.err
    assert "fetching esc-fp x2 from" in ran.err
    content = io.BytesIO(weights_server.files["ESC_FP_X2.pth"])
    wanted = torch.load(content, weights_only=True)["params_ema"]
    found = read_checkpoint(RunFolder(tmp_path / "run").newest())
    params = found["params"]
    assert all(torch.allclose(params[key], value, atol=1e-20) for key, value in wanted.items())
    assert found["facts"]["init"] == "esc-fp"
    assert train(*arguments, "--out", tmp_path / "again", "--offline").code == 0
    assert weights_server.requests == ["ESC_FP_X2.pth"]


@pytest.mark.parametrize("recipe_name", [("esc-light", "esc-light x3"), (None, "esc-tiny x3")])
def test_a_checkpoint_of_another_network_names_both_on_a_short_line(
    train, arguments, run, recipe_name
):
    name, wanted = recipe_name
    before = contents(run)
    other = (name or arguments[0], *arguments[1:], "--scale", 3, "--iterations", 9)
    ran = train(*other, "--resume", "auto")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert f"the checkpoint is of esc-tiny x2, the recipe of {wanted} (give the recipe" in line
    assert "--scale" in line
    assert contents(run) == before


def test_a_checkpoint_that_lost_a_weight_is_refused_on_a_short_line(train, arguments, run):
    content = read_checkpoint(run.newest())
    for key in list(content["params"])[3:]:
        del content["params"][key]
    torch.save(content, run.newest())
    ran = train(*arguments, "--resume", "auto")
    assert ran.code == 2
    (line,) = ran.err.splitlines()
    assert "does not fit this recipe: " in line
    assert "keys missing (" in line
    assert "Missing key" not in line


def test_a_checkpoint_whose_keys_do_not_fit_says_how_many_and_which(train, arguments, run):
    path = run.newest()
    content = read_checkpoint(path)
    for number, key in enumerate([key for key in content["params"] if "attn" in key][:5]):
        content["params"][f"spare.{number}"] = content["params"].pop(key)
    torch.save(content, path)
    ran = train(*arguments, "--resume", "auto")
    assert ran.code == 2
    (line,) = [line for line in ran.err.splitlines() if line.startswith("error: ")]
    assert f"{path}: does not fit this recipe: " in line
    assert "5 keys missing (blocks.0." in line
    assert "5 keys unexpected (spare.0, spare.1, spare.2, ...)" in line
    assert "state_dict" not in line
    assert len(line) < 500 + len(str(path))


def resumed(train, arguments, run, *words):
    """The line about the learning rate when the run goes on after its fourth iteration."""
    ran = train(*arguments, "--resume", run.all()[3], *words)
    assert ran.code == 0, ran.err
    (line,) = [line for line in ran.err.splitlines() if "the learning rate goes on at" in line]
    return line


def test_an_unchanged_run_says_where_its_rate_is_and_goes(train, arguments, run):
    line = resumed(train, arguments, run)
    assert "50.0% of the run done" in line
    assert "before the checkpoint it was" not in line
    assert "at iteration 8" in line


@pytest.mark.slow
def test_another_rate_and_twice_the_length_are_told(train, arguments, run):
    line = resumed(train, arguments, run, "--set", "optimiser.learning_rate=7e-4")
    assert "before the checkpoint it was" in line
    line = resumed(train, arguments, run, "--iterations", 16)
    assert "25.0% of the run done" in line
    assert "at iteration 16" in line


def test_a_run_at_its_end_is_told_so_and_a_longer_one_begins_with_a_rate(train, arguments, run):
    ran = train(*arguments, "--resume", "auto")
    assert "the run is at its end" in ran.err
    ran = train(*arguments, "--resume", "auto", "--iterations", 12)
    (line,) = [line for line in ran.err.splitlines() if "the learning rate goes on at" in line]
    assert " at 0.00e+00" not in line


STEPS = Schedule("steps", 100, warmup=10, milestones=(50, 80))


@pytest.mark.parametrize(
    ("schedule", "step", "words"),
    [
        (
            Schedule("steps", 100, warmup=10, milestones=(50, 80)),
            3,
            "rises to 1.00e-03 at iteration 10",
        ),
        (
            Schedule("steps", 100, warmup=10, milestones=(50, 80)),
            60,
            "multiplied by 0.5 at iteration 80",
        ),
        (Schedule("steps", 100, milestones=(50,)), 60, "stays, and ends at iteration 100"),
        (Schedule("one-cycle", 100, rise=0.1), 5, "rises to 1.00e-03 first and falls to 0"),
        (Schedule("one-cycle", 100, rise=0.1), 50, "done, falls to 0 at iteration 100"),
        (Schedule("one-cycle", 100), 100, "at its end"),
    ],
)
def test_what_a_schedule_does_from_here(schedule, step, words):
    assert words in from_here(schedule, Position(step), 1e-3)
