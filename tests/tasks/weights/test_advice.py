"""The line about better networks: for which items, with which figure, how often."""

from __future__ import annotations

import os

import pytest

from esc_cli.checkpoints.store import cache_folder
from esc_cli.tasks.weights.advice import INTERVAL_S, better_weights, is_due


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv("ESC_OFFLINE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("models", "command", "figure"),
    [
        (["esc-tiny-x4"], "esc weights pull esc@dflip -s 4", "32.79 dB on Set5"),
        (["esc-tiny-x2"], "esc weights pull esc@dflip -s 2", "38.34 dB on Set5"),
        (["esc-tiny-photo-x4"], "esc weights pull esc-real -s 4", "MUSIQ 62.98"),
        (["esc-tiny-photo-x2"], "esc weights pull esc-real -s 4", "MUSIQ 62.98"),
        (["esc-tiny-photo-x4", "esc-tiny-x4", "esc-tiny-x4"], "esc@dflip", "32.79"),
    ],
)
def test_it_names_the_command_and_the_published_figure_for_most_items(models, command, figure):
    line = better_weights(models)
    assert command in line
    assert figure in line


def test_the_bundled_networks_own_figure_is_that_of_its_record():
    from esc_cli.checkpoints.store import find

    measured = find("esc-tiny", 4).record.scores["Set5"]["psnr"]
    assert f"the bundled network has {measured:.2f}" in better_weights(["esc-tiny-x4"])


@pytest.mark.parametrize("models", [[], ["esc@dflip"], ["mine.safetensors"]])
def test_nothing_is_said_of_other_networks(models):
    assert better_weights(models) == ""


def test_nothing_is_said_where_nothing_may_be_fetched(monkeypatch):
    assert better_weights(["esc-tiny-x4"], offline=True) == ""
    monkeypatch.setenv("ESC_OFFLINE", "1")
    assert better_weights(["esc-tiny-x4"]) == ""


def test_nothing_is_said_when_the_better_one_is_here():
    folder = cache_folder()
    folder.mkdir(parents=True)
    (folder / "ESC_DFLIP_X4.pth").write_bytes(b"here")
    assert better_weights(["esc-tiny-x4"]) == ""
    assert better_weights(["esc-tiny-x2"])


def test_once_a_day(home):
    assert is_due()
    assert not is_due()
    (stamp,) = (home / "esc").iterdir()
    past = stamp.stat().st_mtime - INTERVAL_S - 1
    os.utime(stamp, (past, past))
    assert is_due()
    assert not is_due()


def test_where_that_cannot_be_kept_it_is_never_due(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert not is_due()
