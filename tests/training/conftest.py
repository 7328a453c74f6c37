"""Small pictures, a small recipe, and the real `esc train` on them."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
from PIL import Image
from running import Ran, Train, picture

from esc_cli.cli.app import main

RECIPE = """
variant = "esc-tiny"
scale = 2
[data]
patch = 16
batch = 2
[optimiser]
learning_rate = 1e-3
betas = [0.9, 0.99]
[schedule]
iterations = 8
warmup = 3
milestones = [5]
"""


@pytest.fixture(scope="session")
def train() -> Train:
    return Train()


@pytest.fixture
def train_here(esc_here):
    """`esc train` in this process."""
    return partial(esc_here, "train")


@pytest.fixture
def esc_here(monkeypatch, capsys):
    """A command of esc in this process, which need not import torch again."""

    def run(*arguments) -> Ran:
        monkeypatch.setattr(sys, "argv", ["esc", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code
        return Ran(code, capsys.readouterr().err)

    return run


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """Three pictures, one of them deeper, of unequal and odd sizes."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "deeper").mkdir()
    for number, name in enumerate(("a.png", "b.png", "deeper/c.png")):
        Image.fromarray(picture(number, 47 + 6 * number, 53)).save(folder / name)
    return folder


@pytest.fixture(scope="session")
def recipe(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE)
    return path
