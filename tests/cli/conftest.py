"""The real `esc` command on real files; no run may ever show a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

ROOT = Path(__file__).parents[2]
RECORDS = ".esc-records.jsonl"


@dataclass(frozen=True)
class Ran:
    """How a run ended; texts with bytes that are no UTF-8 as surrogates."""

    code: int
    out: str
    err: str
    raw_out: bytes

    def lines_naming(self, word: str) -> list[str]:
        return [line for line in self.err.splitlines() if word in line]


class Esc:
    """Runs the command. `start` leaves it running; `__call__` waits and looks at the end."""

    command = (sys.executable, "-m", "esc_cli")

    def start(self, *arguments: str | bytes | Path, **options: Any) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        environment |= options.pop("env", {})
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        words = [os.fsencode(word) for word in (*self.command, "upscale", *arguments)]
        return subprocess.Popen(words, env=environment, **(pipes | options))

    def __call__(self, *arguments: str | bytes | Path, **options: Any) -> Ran:
        stdin = options.pop("input", None)
        if stdin is not None:
            options["stdin"] = subprocess.PIPE
        timeout = options.pop("timeout", 120)
        process = self.start(*arguments, **options)
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return self.ended(process.returncode, out or b"", err or b"")

    @staticmethod
    def ended(code: int, out: bytes, err: bytes) -> Ran:
        ran = Ran(code, os.fsdecode(out), os.fsdecode(err), out)
        assert "Traceback" not in ran.err, ran.err
        assert "please report" not in ran.err, ran.err
        return ran


@pytest.fixture(scope="session")
def esc() -> Esc:
    return Esc()


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


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the records: relative path -> content."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in found if path.name != RECORDS
    }


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
