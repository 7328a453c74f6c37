"""A batch on two workers: the results, records and exit codes of one machine."""

from __future__ import annotations

import json
import os
import shutil
import zipfile

import numpy as np
import pytest
from clips import Clip, frames_of
from command import ROOT

pytest.importorskip("ray", reason="Ray is 240 MB: pip install '.[cluster]'; .ci/run does")
pytestmark = pytest.mark.slow


def test_results_are_those_of_one_machine(on_cluster, esc, photos, whole, below):
    report = photos.with_name("report.jsonl")
    ran = on_cluster(photos, "--report", report)
    assert ran.code == 0, ran.err
    assert "12 done, 0 skipped, 0 failed" in ran.err
    output = photos.with_name("in_x4")
    assert below(output) == whole
    assert len(ran.out.splitlines()) == 12, "only results are on stdout"
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert {line["input"] for line in lines} == {str(path) for path in photos.rglob("*.png")}
    assert all(line["device"].endswith(" cpu") for line in lines)
    # Every machine's records are of one file, and all of them count for every later run.
    assert len(list(output.glob(".esc-records.*.jsonl"))) == 1
    assert "0 done, 12 skipped" in esc(photos).err
    assert "0 done, 12 skipped" in on_cluster(photos).err


def test_relative_paths_mean_the_same_everywhere(on_cluster, esc, photos, below):
    weights = photos.with_name("own.safetensors")
    shutil.copy(ROOT / "weights" / "esc-tiny-x2.safetensors", weights)
    ran = on_cluster("in", "-o", "out", "-m", "own.safetensors", cwd=photos.parent)
    assert ran.code == 0, ran.err
    assert all(line.startswith(f"out{os.sep}") for line in ran.out.splitlines())
    assert esc(photos, "-o", photos.with_name("alone"), "-m", weights).code == 0
    assert below(photos.with_name("out")) == below(photos.with_name("alone"))


def test_videos_and_archives_are_items_of_one_worker(on_cluster, esc, tmp_path, photos, below):
    folder = tmp_path / "mixed"
    Clip(frames=30).write(folder / "clip.mkv")
    with zipfile.ZipFile(folder / "book.cbz", "w") as book:
        for path in sorted((photos / "sub0").iterdir()):
            book.write(path, path.name)
    words = (folder, "-s", 2, "--provenance", "-o")
    assert esc(*words, tmp_path / "alone").code == 0
    ran = on_cluster(*words, tmp_path / "out")
    assert ran.code == 0, ran.err
    assert "2 done" in ran.err
    own, other = below(tmp_path / "out"), below(tmp_path / "alone")
    assert own["book.cbz"] == other["book.cbz"]
    # Matroska gives each file a number of its own.
    made, alone = (frames_of(tmp_path / name / "clip.mkv") for name in ("out", "alone"))
    assert len(made) == 30
    for own_planes, planes in zip(made, alone, strict=True):
        assert all(map(np.array_equal, own_planes, planes))
