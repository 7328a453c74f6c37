"""JSON lines: whole ones only, whatever happened before or goes wrong now."""

from __future__ import annotations

import json
import os
import threading

import pytest

from esc_cli.errors import DiskError
from esc_cli.files.jsonl import LineFile, append_line, read_lines


def test_what_was_appended_is_read_in_order(tmp_path):
    path = tmp_path / "a.jsonl"
    for number in range(3):
        append_line(path, {"number": number, "name": "\udcff \n é"})
    assert [entry["number"] for entry in read_lines(path)] == [0, 1, 2]
    assert read_lines(path)[0]["name"] == "\udcff \n é"
    assert path.read_bytes().count(b"\n") == 3
    assert path.read_bytes().isascii()


@pytest.mark.parametrize("rest", [b'{"a":', b'{"a": 1}', b"\xff\xfe"])
def test_a_line_after_one_that_a_crash_cut_short_is_whole(tmp_path, rest):
    path = tmp_path / "a.jsonl"
    append_line(path, {"first": 1})
    with path.open("ab") as stream:
        stream.write(rest)
    append_line(path, {"last": 2})
    found = read_lines(path)
    assert found[0] == {"first": 1}
    assert found[-1] == {"last": 2}


def test_lines_that_are_no_objects_are_passed_over(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'\n[1]\n3\nnull\nno\n{"a":1}\n{"b"')
    assert read_lines(path) == [{"a": 1}]


def test_a_full_disk_is_an_error_also_when_a_part_of_the_line_fits(disk_of):
    disk = disk_of("64k")
    path = disk / "a.jsonl"

    def fill():
        for number in range(1000):
            append_line(path, {"number": number, "text": "x" * 500})

    with pytest.raises(DiskError, match="cannot be written"):
        fill()
    whole = [entry["number"] for entry in read_lines(path)]
    assert whole == list(range(len(whole)))


def test_a_short_write_is_an_error(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, line: real(handle, line[:5]))
    with pytest.raises(DiskError, match="no space left"):
        append_line(tmp_path / "a.jsonl", {"a": "long enough"})


def test_the_advice_of_the_caller_stands_in_the_error(tmp_path):
    with pytest.raises(DiskError) as caught:
        append_line(tmp_path / "missing" / "a.jsonl", {}, advice="use --no-cache")
    assert caught.value.advice == "use --no-cache"


def test_threads_append_whole_lines(tmp_path):
    path = tmp_path / "a.jsonl"

    def append(number):
        for step in range(50):
            append_line(path, {"thread": number, "step": step, "text": "y" * 300})

    threads = [threading.Thread(target=append, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in path.read_bytes().split(b"\n") if line]
    assert len(lines) == 200
    assert all(json.loads(line)["text"] == "y" * 300 for line in lines)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_gets_every_line_through_one_opening(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    with LineFile(pipe) as lines:
        lines.append({"a": 1})
        lines.append({"b": 2})
    reader.join(10)
    assert got == [b'{"a":1}\n{"b":2}\n']
