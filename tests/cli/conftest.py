"""The real `esc` command on real files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import Command, files_below
from killing import killed_runs
from numpy.typing import NDArray
from PIL import Image

RECORDS = ".esc-records.jsonl"


@pytest.fixture(scope="session")
def esc() -> Command:
    """`esc upscale`."""
    return Command(("upscale",))


@pytest.fixture(scope="session")
def esc_command() -> Command:
    """Any command of esc."""
    return Command()


@pytest.fixture(scope="module")
def killed() -> Iterator[Callable[..., int]]:
    """See `killing.killed_runs`."""
    with killed_runs() as run:
        yield run


def pixels(seed: int = 0, size: tuple[int, int] = (12, 9), channels: int = 3) -> NDArray[np.uint8]:
    """(H, W, C): smooth, without symmetry, and different for every seed."""
    rows, columns = np.mgrid[0 : size[1], 0 : size[0]]
    planes = [columns * 9 + rows * 3 + seed * 7, rows * 13 + seed * 5, columns * 5 + seed * 11]
    return np.stack([plane % 256 for plane in planes[:channels]], axis=2).astype(np.uint8)


@pytest.fixture(scope="session")
def draw() -> Callable[..., Path]:
    """Writes a small RGB picture and returns its path; folders are made."""

    def drawn(path: Path, seed: int = 0, size: tuple[int, int] = (12, 9), **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels(seed, size)).save(path, **options)
        return path

    return drawn


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    return files_below


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        image.load()
        return image.size


@pytest.fixture(scope="session")
def size() -> Callable[[Path], tuple[int, int]]:
    """The (width, height) of a picture that decodes to its end."""
    return size_of
