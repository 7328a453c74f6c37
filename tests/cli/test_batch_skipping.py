"""What is finished and unchanged is skipped; what differs in any way is redone."""

from __future__ import annotations

import json
import os
import shutil
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from PIL import Image

from esc_cli.files.jsonl import append_line, read_lines
from esc_cli.tasks.upscale.records import OutputRecord

COUNT = 5


@pytest.fixture
def photos(tmp_path, draw):
    for number in range(COUNT):
        draw(tmp_path / "in" / f"{number}.png", number)
    return tmp_path / "in"


@pytest.fixture(scope="module")
def finished(tmp_path_factory, esc, draw):
    """A batch that has run once, to be copied."""
    folder = tmp_path_factory.mktemp("finished")
    for number in range(COUNT):
        draw(folder / "in" / f"{number}.png", number)
    assert esc("in", cwd=folder).code == 0
    return folder


@pytest.fixture
def done_once(finished, tmp_path):
    """The finished batch in a folder of its own, its records naming that folder."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    records = tmp_path / "in_x4" / ".esc-records.jsonl"
    text = records.read_text()
    assert str(finished) in text
    records.write_text(text.replace(str(finished), str(tmp_path)))
    return tmp_path


def counts(ran):
    """(done, skipped, failed) of the summary."""
    words = ran.err.splitlines()[-1].replace(",", "").split()
    return int(words[0]), int(words[2]), int(words[4])


def test_the_second_run_skips_everything_and_writes_nothing(done_once, esc):
    before = {path: path.stat().st_mtime_ns for path in done_once.rglob("*")}
    ran = esc("in", cwd=done_once)
    assert ran.code == 0
    assert counts(ran) == (0, COUNT, 0)
    assert ran.out == ""
    assert {path: path.stat().st_mtime_ns for path in done_once.rglob("*")} == before


def test_a_changed_input_is_redone(done_once, esc, contents, draw):
    before = contents(done_once / "in_x4")
    draw(done_once / "in" / "2.png", 77)
    assert counts(esc("in", cwd=done_once)) == (1, COUNT - 1, 0)
    after = contents(done_once / "in_x4")
    assert {name for name in before if after[name] != before[name]} == {"2.png"}
    assert counts(esc("in", cwd=done_once)) == (0, COUNT, 0)


def test_a_changed_input_of_the_same_size_is_redone(done_once, esc, contents):
    target = done_once / "in" / "1.png"
    changed = bytearray(target.read_bytes())
    stamp = target.stat().st_mtime_ns
    # A physical size of other numbers: one byte differs, and the checksum of its chunk is ignored.
    other = bytearray((done_once / "in" / "2.png").read_bytes())
    size = max(len(changed), len(other))
    target.write_bytes(bytes(other) + bytes(size - len(other)))
    (done_once / "in" / "0.png").write_bytes(bytes(changed) + bytes(size - len(changed)))
    assert counts(esc("in", cwd=done_once)) == (2, COUNT - 2, 0)
    first, second = (done_once / "in" / name for name in ("0.png", "1.png"))
    swapped = first.read_bytes(), second.read_bytes()
    first.write_bytes(swapped[1])
    second.write_bytes(swapped[0])
    os.utime(second, ns=(stamp, second.stat().st_mtime_ns))
    before = contents(done_once / "in_x4")
    assert counts(esc("in", "--checksum", cwd=done_once)) == (2, COUNT - 2, 0)
    after = contents(done_once / "in_x4")
    assert (after["0.png"], after["1.png"]) == (before["1.png"], before["0.png"])


def test_touched_files_are_redone_by_time_and_skipped_by_checksum(done_once, esc):
    os.utime(done_once / "in" / "3.png", (1, 1))
    os.utime(done_once / "in_x4" / "4.png", (1, 1))
    assert counts(esc("in", "--checksum", cwd=done_once)) == (0, COUNT, 0)
    assert counts(esc("in", cwd=done_once)) == (2, COUNT - 2, 0)


def test_an_edited_deleted_or_emptied_output_is_redone(done_once, esc, contents):
    results = done_once / "in_x4"
    before = contents(results)
    (results / "0.png").unlink()
    (results / "1.png").write_bytes(before["2.png"])
    (results / "3.png").write_bytes(b"")
    status = (results / "4.png").stat()
    damaged = before["4.png"][:-20] + bytes(20)
    (results / "4.png").write_bytes(damaged)
    os.utime(results / "4.png", ns=(status.st_atime_ns, status.st_mtime_ns))
    assert counts(esc("in", cwd=done_once)) == (3, 2, 0)
    assert (results / "4.png").read_bytes() == damaged  # neither size nor time tells
    assert counts(esc("in", "--checksum", cwd=done_once)) == (1, COUNT - 1, 0)
    assert contents(results) == before


@pytest.mark.parametrize("options", [["--scale", "3"], ["--quality", "50"], ["--tile", "whole"]])
def test_a_changed_option_is_redone(done_once, esc, options):
    ran = esc("in", "-o", "in_x4", *options, "--dry-run", cwd=done_once)
    assert len(ran.out.splitlines()) == COUNT
    same = esc("in", "-o", "in_x4", "--dry-run", cwd=done_once)
    assert same.out == ""


def test_changed_weights_are_redone(photos, esc, pytestconfig):
    weights = pytestconfig.rootpath / "weights"
    model = photos.parent / "model.safetensors"
    shutil.copy(weights / "esc-tiny-x2.safetensors", model)
    command = (photos, "-o", photos.with_name("out"), "--model", model)
    assert counts(esc(*command)) == (COUNT, 0, 0)
    assert counts(esc(*command)) == (0, COUNT, 0)
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model)
    name = next(key for key in tensors if key.endswith("weight"))
    tensors[name] = tensors[name] * np.float32(1.5)
    save_file(tensors, model)
    assert counts(esc(*command)) == (COUNT, 0, 0)


def test_existing_overwrite_and_error(done_once, esc, contents):
    before = contents(done_once / "in_x4")
    stamp = (done_once / "in_x4" / "0.png").stat().st_mtime_ns
    ran = esc("in", "--existing", "error", cwd=done_once)
    assert (ran.code, counts(ran)) == (1, (0, 0, COUNT))
    assert (done_once / "in_x4" / "0.png").stat().st_mtime_ns == stamp
    assert counts(esc("in", "--existing", "overwrite", cwd=done_once)) == (COUNT, 0, 0)
    assert contents(done_once / "in_x4") == before


def test_a_foreign_file_at_the_place_of_an_output_is_never_overwritten(photos, esc, draw):
    foreign = draw(photos.with_name("in_x4") / "1.png", 50).read_bytes()
    (photos.with_name("in_x4") / "2.png").mkdir()
    (photos.with_name("in_x4") / "3.png").symlink_to("gone.png")
    ran = esc(photos)
    assert ran.code == 1
    assert counts(ran) == (COUNT - 3, 0, 3)
    assert (photos.with_name("in_x4") / "1.png").read_bytes() == foreign
    assert (photos.with_name("in_x4") / "3.png").is_symlink()
    for name in ("1.png", "2.png", "3.png"):
        assert len(ran.lines_naming(f"{name}: ")) == 1
    again = esc(photos)
    assert (again.code, counts(again)) == (1, (0, COUNT - 3, 3))


def test_the_result_of_another_input_is_not_overwritten_by_a_later_run(tmp_path, esc, draw):
    draw(tmp_path / "one" / "a.png", 1)
    draw(tmp_path / "two" / "a.png", 2)
    assert esc("one/a.png", "-o", "out", cwd=tmp_path).code == 0
    first = (tmp_path / "out" / "a.png").read_bytes()
    ran = esc("two/a.png", "-o", "out", cwd=tmp_path)
    assert (tmp_path / "out" / "a.png").read_bytes() == first
    others = [path for path in (tmp_path / "out").glob("*.png") if path.name != "a.png"]
    assert ran.code == 1 or others  # refused, or written under another name


def test_damaged_records_cost_no_more_than_a_line(done_once, esc):
    records = done_once / "in_x4" / ".esc-records.jsonl"
    lines = [line for line in records.read_bytes().split(b"\n") if line]
    outputs = [json.loads(line)["output"] for line in lines]
    junk = [b"{", b"null", b"[1]", b'{"output": 3}', b"\xff\xfe\0", b'"text"']
    records.write_bytes(b"\n".join([*lines[:-1], *junk, lines[-1][:50]]))
    ran = esc("in", cwd=done_once)
    assert counts(ran)[1] == COUNT - 1
    assert len(ran.lines_naming(f"{outputs[-1]} exists")) == 1


def test_a_file_given_twice_in_any_way_is_done_once(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    ran = esc("in", "in/a.png", "./in/a.png", tmp_path / "in" / "a.png", "in/", cwd=tmp_path)
    assert counts(ran) == (1, 0, 0)


def test_absolute_and_relative_paths_mean_the_same_batch(done_once, esc):
    for given, where in (("../in", "in"), (done_once / "in", "/"), (".", "in"), ("in/.", ".")):
        ran = esc(given, cwd=done_once / where)
        assert counts(ran) == (0, COUNT, 0), given


def multiply(folder, count):
    """Copies of the one finished picture 0.bmp, with records as if each had been done."""
    records = folder / "in_x2" / ".esc-records.jsonl"
    done = OutputRecord.from_entry(read_lines(records)[0])
    for number in range(1, count):
        name = f"{number}.bmp"
        for side in ("in", "in_x2"):
            shutil.copy2(folder / side / "0.bmp", folder / side / name)
        copy = replace(done, input=str(folder / "in" / name), output=name)
        append_line(records, asdict(copy))


@pytest.mark.slow
def test_a_thousand_finished_files_are_skipped_in_two_seconds_without_torch(tmp_path, esc):
    (tmp_path / "in").mkdir()
    Image.new("RGB", (1, 1), (9, 0, 0)).save(tmp_path / "in" / "0.bmp")
    assert counts(esc("in", "--scale", "2", cwd=tmp_path)) == (1, 0, 0)
    multiply(tmp_path, 1000)
    seconds = []
    for _ in range(2):  # the better of two: others may be using the machine
        start = time.monotonic()
        assert counts(esc("in", "--scale", "2", cwd=tmp_path)) == (0, 1000, 0)
        seconds.append(time.monotonic() - start)
    assert min(seconds) < 2
    ran = esc("in", "--scale", "2", cwd=tmp_path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    imported = {line.split("|")[-1].strip() for line in ran.err.splitlines() if "|" in line}
    assert "esc_cli.tasks.upscale.run" in imported
    assert "torch" not in imported
