"""`--devices`: several workers, the same batch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]
Run = Callable[..., Any]
RECORDS = ".esc-records.jsonl"
COUNT = 12


@pytest.fixture
def folder(tmp_path: Path, draw: Draw) -> Path:
    """Pictures of very different sizes, so that the later ones are done first; one is broken."""
    home = tmp_path / "in"
    for number in range(COUNT):
        side = 96 if number % 4 == 0 else 12
        draw(home / f"{number:02}.png", seed=number, size=(side, side + 1))
    (home / "05.png").write_bytes((home / "05.png").read_bytes()[:-30])
    return home


def report_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_two_workers_make_what_one_makes(esc: Run, folder: Path, tmp_path: Path) -> None:
    runs = {}
    for name, option in (("one", "--device=cpu"), ("two", "--devices=cpu,cpu")):
        out, report = tmp_path / name, tmp_path / f"{name}.jsonl"
        ran = esc(folder, "-o", out, "-s", "2", option, "--report", report)
        assert ran.code == 1
        assert len(ran.lines_naming("05.png")) == 1
        names = [Path(line).name for line in ran.out.splitlines()]
        runs[name] = (out, names, report_of(report))
    (one, names, items), (two, other_names, other_items) = runs["one"], runs["two"]
    assert names == other_names == [f"{number:02}.png" for number in range(COUNT) if number != 5]
    assert [i["status"] for i in items] == [i["status"] for i in other_items]
    assert [i["input"] for i in items] == [i["input"] for i in other_items]
    for name in names:
        pixels = [np.array(Image.open(out / name)).astype(int) for out in (one, two)]
        assert abs(pixels[0] - pixels[1]).max() <= 1  # other threads sum in another order
    records = [(out / RECORDS).read_text().split() for out in (one, two)]
    assert len(records[0]) == len(records[1]) == COUNT - 1


def test_what_several_workers_finished_is_skipped_by_one(
    esc: Run, folder: Path, tmp_path: Path
) -> None:
    (folder / "05.png").unlink()
    out = tmp_path / "out"
    assert esc(folder, "-o", out, "-s", "2", "--devices", "cpu,cpu").code == 0
    ran = esc(folder, "-o", out, "-s", "2", "--device", "cpu")
    assert ran.code == 0
    assert f"{COUNT - 1} skipped" in ran.err


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--devices", "cpu,cuda:63"), 3, "cuda:63"),
        (("--devices", "cpu,tpu"), 2, "no such device: 'tpu'"),
        (("--device", "tpu"), 2, "no such device: 'tpu'"),
        (("--devices", "cpu,"), 2, "no list of devices"),
        (("--devices", "cpu,cpu", "--device", "cpu"), 2, "exclude each other"),
    ],
)
def test_devices_that_cannot_be_are_refused_before_any_work(
    esc: Run, folder: Path, tmp_path: Path, options: tuple[str, ...], code: int, word: str
) -> None:
    ran = esc(folder, "-o", tmp_path / "out", *options)
    assert ran.code == code
    assert word in ran.err
    assert not (tmp_path / "out").exists()
