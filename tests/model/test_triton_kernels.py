"""The Triton kernels: right on Triton's interpreter, and compiled for GPUs that are not there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

pytest.importorskip("triton")
ROOT = Path(__file__).parents[2]


def _run(*command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    # Without the options of this run: a second --cov would write over its figures.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_ADDOPTS": "", **environment}
    whole = [sys.executable, *command]
    return subprocess.run(whole, env=env, capture_output=True, text=True, check=False, cwd=ROOT)


def test_kernels_give_what_torch_gives() -> None:
    cases = str(Path(__file__).with_name("interpreted_kernels.py"))
    done = _run("-m", "pytest", "-q", "-p", "no:cacheprovider", cases, TRITON_INTERPRET="1")
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_kernels_compile_for_a_gpu_that_is_not_there() -> None:
    triton = pytest.importorskip("triton")
    if not hasattr(triton.knobs, "nvidia"):
        pytest.skip("this Triton names its ptxas otherwise")
    script = ROOT / "docs" / "benchmarks" / "triton_ahead.py"
    done = _run(str(script), "--types", "fp16", "--targets", "90")
    assert done.returncode == 0, done.stderr
    rows = [line.split(" | ") for line in done.stdout.splitlines()[2:]]
    assert [row[0] for row in rows] == ["| attention", "| 28 taps of 13x13"]
    assert all(row[place].strip(" |").isdigit() for row in rows for place in (3, 4, 5))
