"""Small pictures, a small recipe, and the real `esc train` on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import Command
from PIL import Image
from training_runs import picture

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
def train() -> Command:
    """`esc train`; in a process of its own where that is said, or is needed."""
    return Command(("train",))


@pytest.fixture(scope="session")
def esc() -> Command:
    return Command()


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
