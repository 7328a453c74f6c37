"""What a batch tells: stdout, stderr, the dry run, the report, and the early end."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path

import pytest
from PIL import Image

from esc_cli.tasks.upscale.events import Item


@pytest.fixture
def photos(tmp_path, draw):
    """Three good pictures, a text, and a name that is no UTF-8."""
    draw(tmp_path / "in" / "a.png", 1)
    draw(tmp_path / "in" / "sub" / "b.jpg", 2)
    draw(tmp_path / "in" / os.fsdecode(b"c\xff.png"), 3)
    (tmp_path / "in" / "bad.png").write_text("no picture")
    return tmp_path


def report_of(path):
    return [json.loads(line) for line in path.read_text("ascii").splitlines()]


def test_the_report_holds_one_object_per_item(photos, esc):
    ran = esc("in", "--report", "r.jsonl", cwd=photos)
    assert ran.code == 1
    items = report_of(photos / "r.jsonl")
    assert all(set(item) == {field.name for field in fields(Item)} for item in items)
    by_name = {Path(item["input"]).name: item for item in items}
    assert set(by_name) == {"a.png", "b.jpg", "c\udcff.png", "bad.png"}
    assert len(items) == 4
    good = by_name["a.png"]
    assert good["status"] == "done"
    assert (good["input_size"], good["output_size"]) == ([12, 9], [48, 36])
    assert good["output_bytes"] == Path(photos, good["output"]).stat().st_size
    assert set(good["seconds"]) == {"decode", "network", "encode"}
    assert (good["device"], good["precision"]) == ("cpu", "fp32")
    assert good["model"].startswith("esc-tiny")
    assert len(good["weights_sha256"]) == 64
    assert by_name["bad.png"]["status"] == "failed"
    assert "not a picture" in by_name["bad.png"]["reason"]
    for item in items:
        if item["output"] and item["status"] == "done":
            assert Path(photos, item["output"]).exists()


def test_the_report_is_appended_to_and_tells_of_skipped_ones(photos, esc):
    esc("in", "--report", "r.jsonl", cwd=photos)
    esc("in", "--report", "r.jsonl", cwd=photos)
    statuses = [item["status"] for item in report_of(photos / "r.jsonl")]
    assert sorted(statuses[:4]) == ["done", "done", "done", "failed"]
    assert sorted(statuses[4:]) == ["failed", "skipped", "skipped", "skipped"]


@pytest.mark.parametrize("report", ["no/such/folder/r.jsonl", "in", "/dev/full"])
def test_a_report_that_cannot_be_written_is_a_fault_of_the_environment(photos, esc, report):
    ran = esc("in", "--report", report, cwd=photos)
    assert ran.code == 3
    assert len(ran.lines_naming(report)) == 1


def test_a_dry_run_writes_nothing_and_tells_sizes_and_space(photos, esc):
    before = sorted(photos.rglob("*"))
    ran = esc("in", "-o", "out/deep", "--dry-run", cwd=photos)
    assert ran.code == 1  # for the bad one, which is known already
    assert sorted(photos.rglob("*")) == before
    lines = ran.out.splitlines()
    assert len(lines) == 3
    assert all("(48 x 36, about " in line and "would write out/deep/" in line for line in lines)
    assert len(ran.lines_naming("3 of 4 to do")) == 1
    assert "megapixels in, about" in ran.err


def test_a_dry_run_needs_no_torch(photos, esc):
    ran = esc("in", "-n", "--scale", "3", cwd=photos, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.split("|")[-1].strip() for line in ran.err.splitlines() if "|" in line}
    assert "esc_cli.tasks.upscale.run" in imported
    assert "torch" not in imported


def test_the_estimate_of_space_is_of_the_right_size(tmp_path, esc):
    for number in range(4):
        noise = Image.effect_noise((64, 64), 80 + number).convert("RGB")
        noise.save(tmp_path / f"{number}.png")
    ran = esc(".", "-o", "out", "-n", "--report", "r.jsonl", cwd=tmp_path)
    estimate = sum(item["output_bytes"] for item in report_of(tmp_path / "r.jsonl"))
    assert all(item["status"] == "planned" for item in report_of(tmp_path / "r.jsonl"))
    assert esc(".", "-o", "out", cwd=tmp_path).code == 0
    written = sum(path.stat().st_size for path in (tmp_path / "out").glob("*.png"))
    assert written / 3 < estimate < written * 3
    assert ran.code == 0


def test_quiet_leaves_only_failures_on_stderr(photos, esc):
    ran = esc("in", "--quiet", cwd=photos)
    assert ran.code == 1
    assert ran.out == ""
    assert len(ran.err.splitlines()) == 1
    assert "in/bad.png: not a picture" in ran.err


def test_stdout_holds_only_paths_of_results(photos, esc):
    ran = esc("in", "-o", "out", cwd=photos)
    assert sorted(ran.out.splitlines()) == ["out/a.png", "out/c\\xff.png", "out/sub/b.jpg"]
    assert "out/" not in ran.err


def test_fail_fast_stops_at_the_first_failure(tmp_path, esc, draw):
    for number in range(12):
        draw(tmp_path / "in" / f"{number:02}.png", number, (48, 48))
    half = tmp_path / "in" / "02.png"
    half.write_bytes(half.read_bytes()[:-40])
    ran = esc("in", "--fail-fast", "--report", "r.jsonl", cwd=tmp_path)
    assert ran.code == 1
    assert "1 failed" in ran.err
    assert " left in " in ran.err
    results = {path.name for path in (tmp_path / "in_x4").glob("*.png")}
    assert "02.png" not in results
    assert len(results) < 8
    told = {Path(item["input"]).name for item in report_of(tmp_path / "r.jsonl")}
    assert results <= told  # whatever was written is told of
    again = esc("in", cwd=tmp_path)
    assert f"{11 - len(results)} done, {len(results)} skipped, 1 failed" in again.err


def test_a_missing_device_is_one_line_before_any_work(tmp_path, esc, draw):
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has CUDA")
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "b.png")
    ran = esc("in", "--device", "cuda", cwd=tmp_path)
    assert ran.code == 3
    assert len(ran.lines_naming("cuda")) == 1
    assert not list(tmp_path.rglob("in_x4/*.png"))
