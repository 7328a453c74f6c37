"""The scripts for a machine with a GPU, rehearsed without one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "docs" / "benchmarks"


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": ""}
    )


def load(name: str) -> ModuleType:
    spec = spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_part_that_fails_is_told_and_the_next_ones_run(tmp_path: Path) -> None:
    out = tmp_path / "report"
    broken = tmp_path / "golden"
    broken.mkdir()
    (broken / "esc_broken.safetensors").write_bytes(b"no weights")
    wanted = ("--only", "parity,out_of_memory", "--golden", str(broken), "--total", "3000")
    done = run("gpu.py", "--rehearse", "--out", str(out), *wanted)
    assert done.returncode == 1, done.stderr
    parts = json.loads((out / "report.json").read_text())["parts"]
    assert {name: part["state"] for name, part in parts.items()} == {
        "parity": "failed",
        "out_of_memory": "done",
    }
    assert len(parts["parity"]["facts"]) > 40, "what came before the failure is kept"
    assert all(fact["ok"] for fact in parts["parity"]["facts"])
    assert "safetensors" in parts["parity"]["said"].lower()
    assert "## out_of_memory: done" in (out / "report.md").read_text()


def test_each_part_has_its_limit_and_all_stay_below_nine_minutes() -> None:
    gpu = load("gpu")
    assert gpu.TOTAL_S < 540
    names = {path.stem for path in (SCRIPTS / "gpu_parts").glob("*.py")}
    assert names == {"__init__", "setting", "right", "quick", "jobs", "hardware"}


def test_blocks_are_packed_evenly_and_below_the_limit(tmp_path: Path) -> None:
    blocks = tmp_path / "blocks"
    blocks.mkdir()
    for number in range(40):
        noise = os.urandom(64 * 64 * 3)
        Image.frombytes("RGB", (64, 64), noise).save(blocks / f"{number:02}.png")
    out = tmp_path / "blocks.tar"
    assert load("gpu_train").pack(blocks, out, limit=400_000) == 0
    assert 200_000 < out.stat().st_size <= 400_000


def test_wheels_are_weighed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wheels = load("gpu_wheels")
    path = tmp_path / "some-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("some.py", "x = 1\n" * 10_000)
    wheels.repack(path)
    with zipfile.ZipFile(path) as wheel:
        assert wheel.read("some.py") == b"x = 1\n" * 10_000
    assert path.stat().st_size < 10_000
    assert wheels.weigh(tmp_path) == 0
    assert wheels.weigh(tmp_path, limit=10) == 1
    assert "some-1" in capsys.readouterr().out
