"""What goes wrong is named, and nothing half-done stays."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from esc_cli.training.folder import RunFolder, read_checkpoint


@pytest.fixture
def own_pictures(pictures, tmp_path):
    return shutil.copytree(pictures, tmp_path / "pictures")


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_last_good_checkpoint(
    train, recipe, pictures, tmp_path
):
    settings = ("--save-every", 0, "--set", "optimiser.learning_rate=1e30", "--log-every", 1)
    ran = train(recipe, "--data", pictures, "--out", tmp_path, *settings)
    assert ran.code == 1
    last = RunFolder(tmp_path).newest()
    assert "is nan at iteration" in ran.err or "is inf at iteration" in ran.err
    assert last is None or f"the last good checkpoint is {last}" in ran.err
    if last is not None:
        values = read_checkpoint(last)["params"].values()
        assert all(value.isfinite().all() for value in values)


def test_a_loss_that_is_no_number_before_any_checkpoint_sends_nobody_to_one(
    train, recipe, pictures, tmp_path
):
    settings = ("--save-every", 60, "--set", "optimiser.learning_rate=1e30", "--log-every", 1)
    ran = train(recipe, "--data", pictures, "--out", tmp_path, *settings)
    assert ran.code == 1
    assert "there is no checkpoint yet; begin anew with a lower optimiser.learn" in ran.err
    assert "go on from it" not in ran.err


def test_a_damaged_picture_is_named(train, recipe, own_pictures, tmp_path):
    whole = own_pictures / "b.png"
    whole.write_bytes(whole.read_bytes()[:500])
    arguments = (recipe, "--data", own_pictures, "--out", tmp_path / "run", "--iterations", 1)
    ran = train(*arguments)
    assert ran.code == 1
    assert f"{whole}" in ran.err
    skipped = train(*arguments, "--skip-damaged")
    assert skipped.code == 0
    assert f"left out: {whole}" in skipped.err
    assert "2 pictures on cpu" in skipped.err


def test_pictures_smaller_than_a_patch_are_left_out_by_name(train, recipe, own_pictures, tmp_path):
    Image.fromarray(np.zeros((60, 31, 3), np.uint8)).save(own_pictures / "narrow.png")
    arguments = (recipe, "--data", own_pictures, "--iterations", 1)
    ran = train(*arguments, "--out", tmp_path / "run")
    assert ran.code == 0
    assert "1 smaller than a patch, left out: narrow.png" in ran.err
    none = train(*arguments, "--out", tmp_path / "none", "--patch", 300)
    assert none.code == 2
    assert "no picture is as large as a patch, 600 x 600 pixels" in none.err


@pytest.mark.parametrize("content", ["nothing", "no pictures"])
def test_a_folder_without_pictures_is_refused(train, recipe, tmp_path, content):
    folder = tmp_path / "empty"
    folder.mkdir()
    if content == "no pictures":
        (folder / "notes.txt").write_text("none here")
    ran = train(recipe, "--data", folder, "--out", tmp_path / "run")
    assert ran.code == 2
    assert f"{folder}: no pictures" in ran.err


def test_a_data_folder_that_is_not_there_is_named(train, recipe, tmp_path):
    ran = train(recipe, "--data", tmp_path / "nowhere", "--out", tmp_path / "run")
    assert ran.code == 2
    assert "nowhere" in ran.err


def test_an_out_folder_that_cannot_be_is_named(train, recipe, pictures, tmp_path):
    (tmp_path / "file").write_text("")
    ran = train(recipe, "--data", pictures, "--out", tmp_path / "file" / "run")
    assert ran.code == 3
    assert "cannot be created" in ran.err


@pytest.fixture
def small_disk(disk_of):
    """A file system that holds one checkpoint and not two."""
    return disk_of("3m")


def test_a_full_disk_leaves_no_half_checkpoint(train, recipe, pictures, tmp_path, small_disk):
    arguments = (recipe, "--data", pictures, "--cache", tmp_path / "cache", "--out", small_disk)
    assert train(*arguments, "--iterations", 1).code == 0
    before = RunFolder(small_disk).newest()
    ran = train(*arguments, "--iterations", 3, "--resume", "auto")
    assert ran.code == 3
    assert "step-00000003.pt: cannot be written: No space left on device" in ran.err
    assert list((small_disk / "checkpoints").iterdir()) == [before]
    assert read_checkpoint(before)["step"] == 1


def files_of_at_most(kib: int) -> tuple[str, ...]:
    """What comes before a command so that its files may have so many KiB."""
    return ("bash", "-c", f'ulimit -f {kib}; exec "$@"', "bash")


@pytest.mark.slow
def test_a_checkpoint_that_cannot_be_written_leaves_no_half(train, recipe, pictures, tmp_path):
    arguments = (recipe, "--data", pictures, "--out", tmp_path)
    assert train(*arguments, "--iterations", 1).code == 0
    before = RunFolder(tmp_path).newest()
    limit = files_of_at_most(300)
    ran = train(*arguments, "--iterations", 3, "--resume", "auto", before=limit)
    assert ran.code == 1
    assert "step-00000003.pt: cannot be written: File too large" in ran.err
    assert list((tmp_path / "checkpoints").iterdir()) == [before]


@pytest.mark.slow
def test_a_full_disk_leaves_no_half_cache(train, recipe, pictures, tmp_path):
    ran = train(recipe, "--data", pictures, "--out", tmp_path, before=files_of_at_most(4))
    assert ran.code in (1, 3)
    assert "hr.bin" in ran.err
    assert not (tmp_path / "cache" / "hr.json").exists()
    assert train(recipe, "--data", pictures, "--out", tmp_path, "--iterations", 1).code == 0


def test_a_misspelt_setting_names_the_known_ones(train, recipe, pictures, tmp_path):
    ran = train(recipe, "--data", pictures, "--out", tmp_path, "--set", "optimiser.learn_rate=1")
    assert ran.code == 2
    assert "optimiser.learn_rate" in ran.err
    assert "learning_rate" in ran.err


def test_an_unknown_recipe_names_the_known_ones(train, pictures, tmp_path):
    ran = train("esc-tny", "--data", pictures, "--out", tmp_path)
    assert ran.code == 2
    assert "esc-tiny" in ran.err
