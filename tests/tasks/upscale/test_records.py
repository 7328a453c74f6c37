"""Records survive crashes, odd names and concurrent writers."""

import os
import re
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest

from esc_cli.errors import DiskError
from esc_cli.files.digest import sha256_of
from esc_cli.media.picture import Header
from esc_cli.tasks.upscale import record_index
from esc_cli.tasks.upscale.records import FileState, OutputRecord, Records, RecordShelf

STATE = FileState(10, 1_700_000_000_123_456_789, "ab" * 32)
RECORD = OutputRecord(
    "/in/a.png", "a.png", STATE, STATE, Header("PNG", 3, 2, 4, 16, 1), '{"a":1}', None
)


def named(output):
    return replace(RECORD, input=f"/in/{output}", output=output)


@pytest.mark.parametrize("name", ["a.png", "line\nend.png", "\N{GRINNING FACE}.png", "\udcff.png"])
def test_a_record_comes_back_as_it_was(tmp_path, name):
    Records(tmp_path).append(named(name))
    again = Records(tmp_path)
    assert without_time(again.by_output) == {name: named(name)}
    assert (
        again.find(tmp_path / name) == next(again.of_input(f"/in/{name}")) == again.by_output[name]
    )
    assert again.by_output[name].at_ns > 0


def test_the_last_record_of_an_output_counts(tmp_path):
    records = Records(tmp_path)
    records.append(named("a.png"))
    newer = replace(named("a.png"), settings="{}")
    records.append(newer)
    assert without_time(Records(tmp_path).by_output) == {"a.png": newer}


def test_of_two_writers_the_later_record_counts(tmp_path):
    older = replace(named("a.png"), settings="{}")
    for writer, record in (("2of2", older), ("1of2", named("a.png"))):
        Records(tmp_path, writer).append(record)
    assert without_time(Records(tmp_path).by_output) == {"a.png": named("a.png")}
    Records(tmp_path).append(older)
    assert without_time(Records(tmp_path).by_output) == {"a.png": older}


def without_time(records):
    return {name: replace(record, at_ns=0) for name, record in records.items()}


@pytest.mark.parametrize("kept", [0, 1, 30, -2])
def test_a_torn_last_line_costs_only_itself(tmp_path, kept):
    records = Records(tmp_path)
    records.append(named("a.png"))
    whole = records.path.read_bytes()
    records.append(named("b.png"))
    added = records.path.read_bytes()[len(whole) :]
    records.path.write_bytes(whole + added[:kept])
    Records(tmp_path).append(named("c.png"))
    assert set(Records(tmp_path).by_output) == {"a.png", "c.png"}


@pytest.mark.parametrize("junk", [b"{", b"null", b"[]", b"3", b'"x"', b"{}", b"\xff\0", b"\n\n"])
def test_lines_that_are_no_records_are_passed_over(tmp_path, junk):
    records = Records(tmp_path)
    records.path.write_bytes(junk + b"\n")
    records.append(named("a.png"))
    assert set(Records(tmp_path).by_output) == {"a.png"}


def test_many_threads_write_whole_lines(tmp_path):
    records = Records(tmp_path)

    def write(thread):
        for number in range(50):
            records.append(named(f"{thread}-{number}.png"))

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Records(tmp_path).by_output) == 200


def test_what_was_added_is_found_before_and_after_it_is_sorted_in(tmp_path, monkeypatch):
    monkeypatch.setattr(record_index, "MOST_ADDED", 4)
    Records(tmp_path, "1of2").append(named("0.png"))
    records = Records(tmp_path, "2of2")
    assert set(records.by_output) == {"0.png"}
    for number in (0, 1, 2, 3, 4, 5, 1):
        records.append(replace(named(f"{number}.png"), settings=str(number)))
    for number in range(6):
        assert records.find(tmp_path / f"{number}.png").settings == str(number)
    assert without_time(records.by_output) == without_time(Records(tmp_path).by_output)
    assert len(records.by_output) == 6


def test_a_line_longer_than_what_is_read_at_once_comes_back(tmp_path):
    long = replace(named("a.png"), settings="x" * 3 * record_index.READ_AHEAD)
    Records(tmp_path).append(long)
    Records(tmp_path).append(named("b.png"))
    assert without_time(Records(tmp_path).by_output) == {"a.png": long, "b.png": named("b.png")}


def test_records_of_another_file_in_the_place_of_the_one_that_was_read_count_as_none(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(record_index, "HELD", 0)
    records = Records(tmp_path)
    records.append(named("a.png"))
    again = Records(tmp_path)
    assert len(again.by_output) == 1
    records.path.unlink()
    records.append(named("b.png"))
    assert again.find(tmp_path / "a.png") is None
    records.path.unlink()
    assert Records(tmp_path).find(tmp_path / "a.png") is None


def test_of_an_input_with_several_results_the_last_comes_first(tmp_path):
    for name in ("a.png", "b.png", "a.png"):
        Records(tmp_path).append(replace(named(name), input="/in/x.png"))
    found = Records(tmp_path).of_input("/in/x.png")
    assert [record.output for record in found] == ["a.png", "b.png"]
    assert not list(Records(tmp_path).of_input("/in/y.png"))


def test_of_a_record_few_bytes_are_held(tmp_path, monkeypatch):
    monkeypatch.setattr(record_index, "HELD", 9)
    count = 4000
    Records(tmp_path).append(named("00000.png"))
    line = Records(tmp_path).path.read_text()
    lines = (line.replace("00000", f"{number:05}") for number in range(count))
    Records(tmp_path).path.write_text("".join(lines))
    records = Records(tmp_path)
    tracemalloc.start()
    try:
        assert len(records.by_output) == count
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held / count < 60
    assert all(records.find(tmp_path / f"{number:05}.png") for number in range(count))


@pytest.mark.parametrize("value", ['"output":3', '"at_ns":"x"', '"at_ns":-1', f'"at_ns":{1 << 64}'])
def test_lines_with_values_that_no_record_has_are_passed_over(tmp_path, value):
    records = Records(tmp_path)
    records.append(named("a.png"))
    line = records.path.read_text()
    key = value.partition(":")[0]
    bad = re.sub(rf'{key}:("[^"]*"|\d+)', value, line)
    assert bad != line
    records.path.write_text(bad + line.replace("a.png", "b.png"))
    assert set(Records(tmp_path).by_output) == {"b.png"}


def test_records_that_cannot_be_written_are_a_fault_of_the_disk(tmp_path):
    with pytest.raises(DiskError):
        Records(tmp_path / "nowhere").append(RECORD)


def test_a_state_fits_by_size_and_time_or_by_content(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"0123456789")
    state = FileState(10, path.stat().st_mtime_ns, sha256_of(path))
    assert state.fits(path, by_content=False)
    os.utime(path, ns=(1, 1))
    assert not state.fits(path, by_content=False)
    assert state.fits(path, by_content=True)
    path.write_bytes(b"9876543210")
    os.utime(path, ns=(1, state.mtime_ns))
    assert state.fits(path, by_content=False)
    assert not state.fits(path, by_content=True)
    path.unlink()
    assert not state.fits(path, by_content=False)


def test_an_output_is_known_from_any_folder_above_it(tmp_path):
    Records(tmp_path).append(named(str(Path("deep", "er", "a.png"))))
    shelf = RecordShelf()
    assert shelf.source_of(tmp_path / "deep" / "er" / "a.png")
    assert shelf.source_of(tmp_path / "deep" / "a.png") is None
    assert shelf.source_of(tmp_path / "a.png") is None
