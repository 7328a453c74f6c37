"""An archive that is killed or stopped goes on where it was, and ends as if it never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from archives import book, picture
from command import ROOT

from esc_cli.engine.options import EngineOptions
from esc_cli.files.lock import Lock
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.archive.journal import folder_of
from esc_cli.tasks.upscale.events import Item, Progress, Remark
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

PAGES = 16
KILLED = """
import os, signal, sys
from esc_cli.engine.options import EngineOptions
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.run import upscale

source, output, at = sys.argv[1:]
options = UpscaleOptions((source,), output, target=Target(2), engine=EngineOptions("cpu"))
for event in upscale(options):
    if isinstance(event, Progress) and event.done_now == int(at):
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="module")
def comic(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("archives") / "book.cbz"
    formats = ("PNG", "JPEG", "WEBP")
    pages = [
        (f"{number:02}.{formats[number % 3].lower()}", picture(formats[number % 3], number))
        for number in range(PAGES)
    ]
    return book(path, [("ComicInfo.xml", b"<ComicInfo/>"), *pages])


@pytest.fixture(scope="module")
def whole(comic) -> bytes:
    """What an undisturbed run gives."""
    output = comic.with_name("whole.cbz")
    run(comic, output)
    return output.read_bytes()


@pytest.fixture
def output(tmp_path) -> Path:
    return tmp_path / "out.cbz"


def options_for(comic, output, **more) -> UpscaleOptions:
    return UpscaleOptions(
        (str(comic),), str(output), target=Target(2), engine=EngineOptions("cpu"), **more
    )


def run(comic, output, **more) -> list:
    return list(upscale(options_for(comic, output, **more), Stop()))


def of_kind(events, kind) -> list:
    return [event for event in events if isinstance(event, kind)]


def kept(output) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder_of(output).glob("*.picture")}


def interrupted(comic, output, at: int, end) -> list:
    """A run in which `end` is done to its stop after so many pictures."""
    stop, events = Stop(), []
    for event in upscale(options_for(comic, output), stop):
        events.append(event)
        if isinstance(event, Progress) and event.done_now == at:
            end(stop)
    return events


@pytest.mark.slow
def test_after_two_sigkills_the_result_is_that_of_an_undisturbed_run(comic, whole, output):
    found: list[dict[str, int]] = []
    for at in (12, 3):
        command = [sys.executable, "-c", KILLED, str(comic), str(output), str(at)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(command, env=environment, check=False)
        assert done.returncode == -signal.SIGKILL
        assert not output.exists()
        found.append(kept(output))
    events = run(comic, output)
    assert output.read_bytes() == whole
    assert [path.name for path in output.parent.iterdir() if path.suffix != ".jsonl"] == ["out.cbz"]
    # What was finished is not done again; what was being written at the kill may be.
    same = found[0].items() & found[1].items()
    assert len(same) >= 3
    assert of_kind(events, Progress)[0].done > len(same)
    assert not of_kind(events, Remark)


def test_a_signal_ends_it_with_its_code_and_keeps_what_is_finished(comic, whole, output):
    events = interrupted(comic, output, 5, lambda stop: stop.set(signal.SIGTERM))
    assert events[-1].exit_code == 143
    assert (events[-1].left, of_kind(events, Item)) == (1, [])
    assert len(kept(output)) == 5
    events = run(comic, output)
    assert [event.done for event in of_kind(events, Progress)] == list(range(6, PAGES + 1))
    assert output.read_bytes() == whole


def test_the_end_of_the_time_comes_between_two_pictures(comic, whole, output):
    events = interrupted(comic, output, 5, lambda stop: stop.limit(0))
    assert (events[-1].exit_code, events[-1].left) == (75, 1)
    assert f"the time is up with {PAGES - 5} pictures left" in events[-1].stopped
    run(comic, output)
    assert output.read_bytes() == whole


def test_a_damaged_or_missing_picture_is_done_again(comic, whole, output):
    interrupted(comic, output, 6, lambda stop: stop.set(2))
    first, second = sorted(folder_of(output).glob("*.picture"))[:2]
    first.write_bytes(first.read_bytes()[:-1] + b"?")
    second.unlink()
    (folder_of(output) / "stray").touch()
    with (folder_of(output) / "journal.jsonl").open("a") as journal:
        journal.write('{"number": null}\n{"num')
    events = run(comic, output)
    (remark,) = of_kind(events, Remark)
    assert remark.text.endswith("finished pictures not used: they are damaged or missing")
    assert of_kind(events, Progress)[0].done == 5
    assert output.read_bytes() == whole


def test_other_options_or_another_archive_use_nothing_of_before(comic, output, tmp_path):
    interrupted(comic, output, 6, lambda stop: stop.set(2))
    events = run(comic, output, quality=70)
    (remark,) = of_kind(events, Remark)
    assert remark.text == "6 finished pictures not used: input or options changed"
    assert of_kind(events, Progress)[0].done == 1
    assert of_kind(events, Item)[0].status == "done"


def test_two_at_once_do_not_mix(comic, output):
    other = Lock(folder_of(output) / "lock")
    assert other.take()
    try:
        (item,) = of_kind(run(comic, output), Item)
    finally:
        other.release()
    assert item.status == "failed"
    assert "another esc works on this archive" in item.reason


def test_a_picture_that_fails_leaves_the_others_finished(comic, tmp_path):
    """Its header is right and its pixels are not, so that only the work finds out."""
    bad = bytearray(picture("JPEG", 7, (40, 40)))
    del bad[-200:]
    pages = [(f"{number}.png", picture(seed=number)) for number in range(3)]
    path = book(tmp_path / "bad.cbz", [*pages, ("x/bad.jpg", bytes(bad)), ("z.png", picture())])
    events = run(path, tmp_path / "out.cbz")
    (item,) = of_kind(events, Item)
    assert item.status == "failed"
    assert item.reason.startswith("its entry x/bad.jpg: the picture is damaged")
    assert not (tmp_path / "out.cbz").exists()
    assert len(kept(tmp_path / "out.cbz")) == 3
