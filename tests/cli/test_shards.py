"""Several machines on one folder: each input once, records of their own, one exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys

import pages
import pytest
from command import ROOT
from PIL import Image

COUNT = 3
KILLED = """
import os, signal
from esc_cli.cli.app import main
from esc_cli.tasks.upscale.events import Report

add = Report.add
def add_and_die(self, item):
    add(self, item)
    os.kill(os.getpid(), signal.SIGKILL)
Report.add = add_and_die
main()
"""
"""`esc` that is killed after the first line of its report."""


@pytest.fixture
def photos(tmp_path, draw):
    for number in range(9):
        draw(tmp_path / "in" / f"{number}.png", number)
    return tmp_path / "in"


def shards(esc, photos, *words):
    """What each share did: (inputs that are done, exit code)."""
    told = []
    for index in range(1, COUNT + 1):
        ran = esc(photos, "--shard", f"{index}/{COUNT}", *words)
        told.append((sorted(ran.out.splitlines()), ran.code))
    return told


def test_shares_make_what_one_machine_makes(esc, photos, contents):
    told = shards(esc, photos)
    assert [code for _, code in told] == [0] * COUNT
    assert sum(len(done) for done, _ in told) == 9
    assert len({line for done, _ in told for line in done}) == 9
    output = photos.with_name("in_x4")
    names = {path.name for path in output.iterdir() if path.name.startswith(".")}
    assert names == {f".esc-records.{i}of{COUNT}.jsonl" for i in range(1, COUNT + 1)}
    assert esc(photos, "-o", photos.with_name("alone")).code == 0
    assert contents(output) == contents(photos.with_name("alone"))


def test_what_any_share_finished_is_skipped_by_all_and_without_shares(esc, photos):
    shards(esc, photos)
    again = esc(photos)
    assert "0 done, 9 skipped" in again.err
    # Another number of shares gives the inputs to others, who find them finished.
    for index in (1, 2):
        ran = esc(photos, "--shard", f"{index}/2")
        assert "0 done" in ran.err
        assert ran.code == 0


def test_of_two_records_the_later_one_counts(esc, photos, draw):
    shards(esc, photos)
    draw(photos / "0.png", 77)
    assert "1 done, 8 skipped" in esc(photos).err
    assert "0 done, 9 skipped" in esc(photos).err


def test_an_output_of_another_share_is_no_input(esc, photos):
    shards(esc, photos, "-o", photos / "large")
    ran = esc(photos, "-o", photos.with_name("other"))
    assert "9 done" in ran.err


@pytest.mark.slow
def test_the_scheduler_tells_the_share(esc, photos):
    variables = {"SLURM_ARRAY_TASK_COUNT": str(COUNT)}
    done = 0
    for index in range(COUNT):
        variables["SLURM_ARRAY_TASK_ID"] = str(index)
        ran = esc(photos, "--shard", "auto", env=variables)
        assert f"share {index + 1}/{COUNT}: " in ran.err
        done += len(ran.out.splitlines())
    assert done == 9


def test_reports_of_all_shares_are_one(esc, esc_command, photos):
    (photos / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n and no picture")
    reports = [photos.with_name(f"{i}.jsonl") for i in range(1, COUNT + 1)]
    for index, report in enumerate(reports, start=1):
        esc(photos, "--shard", f"{index}/{COUNT}", "--report", report)
    merged = esc_command("report", "merge", "--json", *reports)
    assert merged.code == 1
    assert "9 done, 0 skipped, 1 failed" in merged.err
    assert merged.lines_naming("bad.png")
    assert json.loads(merged.out)["open_shares"] == []
    # A share that never ran is named, and is not taken for done.
    missing = esc_command("report", "merge", *reports[1:])
    assert missing.code == 1
    assert f"share 1/{COUNT} has not ended" in missing.err
    (photos / "bad.png").unlink()
    for index, report in enumerate(reports, start=1):
        esc(photos, "--shard", f"{index}/{COUNT}", "--report", report)
    still = esc_command("report", "merge", *reports)
    assert still.code == 1  # the last word on bad.png is that it failed


@pytest.mark.slow
def test_a_killed_share_has_not_ended_and_another_run_completes_it(
    esc, esc_command, photos, contents
):
    reports = [photos.with_name(f"{i}.jsonl") for i in range(1, COUNT + 1)]
    most = max(range(1, COUNT + 1), key=lambda i: len(share_of(photos, i)))
    for index, report in enumerate(reports, start=1):
        words = (photos, "--shard", f"{index}/{COUNT}", "--report", report)
        if index != most:
            assert esc(*words).code == 0
            continue
        command = [sys.executable, "-c", KILLED, "upscale", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, env=environment, check=False, capture_output=True)
        assert done.returncode == -signal.SIGKILL
    killed = esc_command("report", "merge", *reports)
    assert killed.code == 1
    assert f"share {most}/{COUNT} has not ended: run it again" in killed.err
    again = esc(photos, "--shard", f"{most}/{COUNT}", "--report", reports[most - 1])
    assert again.code == 0
    assert esc_command("report", "merge", *reports).code == 0
    assert esc(photos, "-o", photos.with_name("alone")).code == 0
    assert contents(photos.with_name("in_x4")) == contents(photos.with_name("alone"))


def share_of(photos, index):
    from esc_cli.media.paths import Source
    from esc_cli.tasks.upscale.shard import Shard

    everything = [Source(path, photos) for path in photos.iterdir()]
    return [one for one in everything if Shard(index, COUNT).holds(one)]


def test_two_inputs_with_one_result_are_told_apart_by_their_share(esc, photos, draw):
    draw(photos / "twin.png", 50)
    with Image.open(photos / "twin.png") as twin:
        twin.save(photos / "twin.tif")
    shards(esc, photos, "--format", "png")
    names = {path.name for path in photos.with_name("in_x4").iterdir()}
    assert {"twin.png.png", "twin.tif.png"} <= names


def test_what_does_not_go_together_is_refused(esc, photos, tmp_path):
    assert esc(photos, "--shard", "4/3").code == 2
    assert esc("-", "--shard", "1/3", input=b"x").code == 2


@pytest.mark.slow
def test_the_script_for_slurm_in_the_documentation(esc, photos, contents, tmp_path):
    script = tmp_path / "esc.sbatch"
    script.write_text(pages.marked("machines.md", "slurm"))
    environment = pages.machine(tmp_path)
    environment |= {"SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0"}
    for index in range(2):
        environment["SLURM_ARRAY_TASK_ID"] = str(index)
        command = ["bash", script, photos, "large"]
        subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    assert len(contents(tmp_path / "large")) == 9
    reports = sorted((tmp_path / "reports").iterdir())
    assert [path.name for path in reports] == ["0.jsonl", "1.jsonl"]


def test_reports_that_are_none_are_refused(esc_command, tmp_path):
    assert esc_command("report", "merge", tmp_path / "none.jsonl").code == 2
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "other.jsonl").write_text('{"name": "something else"}\n')
    for name in ("empty.jsonl", "other.jsonl"):
        ran = esc_command("report", "merge", tmp_path / name)
        assert ran.code == 2
        assert name in ran.err
    (tmp_path / "2.jsonl").write_text('{"share": "1/2", "event": "begun"}\n')
    (tmp_path / "3.jsonl").write_text('{"share": "1/3", "event": "begun"}\n')
    ran = esc_command("report", "merge", tmp_path / "2.jsonl", tmp_path / "3.jsonl")
    assert ran.code == 2


def test_a_folder_that_moved_still_has_its_shares(esc, photos):
    shards(esc, photos)
    moved = photos.with_name("elsewhere")
    shutil.copytree(photos, moved)
    held = [esc(moved, "--shard", f"{i}/{COUNT}", "-n").out for i in (1, 2, 3)]
    assert sum(len(lines.splitlines()) for lines in held) == 9


def test_an_output_that_is_an_input_of_another_share_is_refused(esc, photos):
    """A share knows of the inputs of the others by a few bytes each."""
    shares = [esc(photos, "-o", photos, "--shard", f"{i}/2", "--dry-run") for i in (1, 2)]
    assert [ran.code for ran in shares] == [2, 2]
    assert all("is an input and would be overwritten" in ran.err for ran in shares)
