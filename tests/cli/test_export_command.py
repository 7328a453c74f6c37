"""`esc export` as a command."""

from __future__ import annotations

import os
from pathlib import Path

import onnxruntime
import pytest
import torch
from command import Command

from esc_cli import load_model

ROOT = Path(__file__).parents[2]
TINY_X2 = ROOT / "weights/esc-tiny-x2.safetensors"


export = Command(("export",))


@pytest.mark.slow
def test_esc_tiny_runs_in_onnxruntime(tmp_path: Path) -> None:
    target = tmp_path / "tiny.onnx"
    done = export("esc-tiny", "-s", "2", "-o", target)
    assert done.code == 0, done.err
    assert done.out == f"{target}\n"
    assert "onnx" in done.err
    assert len(done.err.splitlines()) == 1
    session = onnxruntime.InferenceSession(target, providers=["CPUExecutionProvider"])
    network = load_model("esc-tiny", 2)
    for shape in ((1, 3, 9, 9), (1, 3, 32, 48), (2, 3, 37, 50)):
        x = torch.rand(shape)
        (found,) = session.run(["y"], {"x": x.numpy()})
        with torch.inference_mode():
            assert float((torch.from_numpy(found) - network(x)).abs().max()) < 1e-4


@pytest.mark.slow
def test_a_finished_file_is_replaced_only_when_asked_for(tmp_path: Path) -> None:
    target = tmp_path / "tiny.pt"
    target.write_bytes(b"mine")
    assert export("esc-tiny", "-o", target).code == 2
    assert target.read_bytes() == b"mine"
    done = export("esc-tiny", "-o", target, "--format", "torchscript", "--overwrite")
    assert done.code == 0, done.err
    assert torch.jit.load(target)(torch.rand(1, 3, 20, 30)).shape == (1, 3, 80, 120)
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("esc-tiny", "-o", "x.bin"), 2, "must end in"),
        (("esc-tiny", "-o", "x.onnx", "-f", "pt2"), 2, "must end in .pt2"),
        (("esc-tiny", "-o", "nowhere/x.onnx"), 3, "nowhere"),
        (("missing.pth", "-o", "x.pt"), 3, "missing.pth"),
        (("esc-tiny", "-s", "7", "-o", "x.pt"), 2, "cannot be built for scale 7 (has 2, 3, 4)"),
        (("esc-tiny-x2", "-s", "4", "-o", "x.pt"), 2, "it exists as x2"),
        ((TINY_X2, "-s", "4", "-o", "x.pt"), 2, "upscales by 2, and 4 is asked for"),
        (("esc-real-m", "-s", "7", "-o", "x.pt"), 2, "cannot be built for scale 7"),
        (("esc-real-m", "-s", "2", "-o", "x.pt"), 3, "no checkpoint of esc-real-m"),
        (("esc-tiny", "-s", "0", "-o", "x.pt"), 2, "Invalid value for"),
        (("esc-lte", "-o", "x.pt"), 2, "networks of any scale cannot be exported"),
        (("esc-lte", "-s", "2", "-o", "x.pt"), 2, "networks of any scale cannot be exported"),
    ],
)
def test_what_cannot_be_done_is_refused(
    arguments: tuple[object, ...], code: int, word: str
) -> None:
    done = export(*arguments)
    assert (done.code, done.out) == (code, "")
    assert word in done.err


@pytest.mark.slow
def test_a_missing_package_is_named_with_the_line_that_installs_it(tmp_path: Path) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError(name='onnxruntime')\n")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = export("esc-tiny", "-o", tmp_path / "x.onnx", env={"PYTHONPATH": path})
    assert done.code == 3
    assert "onnxruntime" in done.err
    assert "pip install 'esc-cli[export]'" in done.err


def test_why_an_output_cannot_be_written_is_said_before_the_work(esc_command, tmp_path):
    (tmp_path / "x.onnx").mkdir()
    ran = esc_command("export", "esc-tiny", "-o", tmp_path / "x.onnx", "--overwrite")
    assert ran.code == 3
    assert "cannot be written: it is a folder" in " ".join(ran.err.split())
