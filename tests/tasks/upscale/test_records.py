"""Records survive crashes, odd names and concurrent writers."""

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from esc_cli.errors import DiskError
from esc_cli.files.digest import sha256_of
from esc_cli.media.picture import Header
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
    assert again.find(tmp_path / name) == again.by_input[f"/in/{name}"] == again.by_output[name]
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
