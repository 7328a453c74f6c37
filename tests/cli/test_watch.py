"""`esc watch`: what arrives is done when it is whole, once, and again when it has changed."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from contextlib import contextmanager

import pytest
from clips import Clip
from command import Command

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("measured_processes")]
SECONDS = 60
QUICK = ("-s", "2", "--model", "clean", "--settle", "0.6", "--interval", "0.3")


def until(true, what):
    end = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@pytest.fixture
def folders(tmp_path):
    (tmp_path / "in").mkdir()
    return tmp_path / "in", tmp_path / "out"


@contextmanager
def watching(folders, *words):
    """The command at work, polling; its report is `report.jsonl`."""
    report = folders[0].with_name("report.jsonl")
    process = Command(("watch",)).start(
        folders[0], "-o", folders[1], *QUICK, "--report", report, *(words or ("--poll",))
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def ended(process, number=signal.SIGTERM):
    process.send_signal(number)
    out, err = process.communicate(timeout=SECONDS)
    return Command.ended(process.returncode, out, err)


def told(folders, status="done"):
    report = folders[0].with_name("report.jsonl")
    lines = report.read_text().splitlines() if report.exists() else []
    return [i["input"].rpartition("/")[2] for i in map(json.loads, lines) if i["status"] == status]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_arrives_is_done_and_a_signal_ends_it_with_its_code(folders, draw, number):
    with watching(folders) as process:
        draw(folders[0] / "deep" / "a.png")
        until((folders[1] / "deep" / "a.png").exists, "the first")
        draw(folders[0] / "b.png", 1)
        until((folders[1] / "b.png").exists, "the second")
        until(lambda: len(told(folders)) == 2, "the report")
        ran = ended(process, number)
    assert ran.code == 128 + number
    assert sorted(told(folders)) == ["a.png", "b.png"]
    assert len(ran.out.splitlines()) == 2
    assert "2 done, 0 skipped, 0 failed" in ran.err


def test_a_file_that_still_grows_is_not_touched(folders, draw, tmp_path):
    content = draw(tmp_path / "whole.bmp", size=(40, 30)).read_bytes()
    with watching(folders) as process:
        with (folders[0] / "slow.bmp").open("wb") as stream:
            for begin in range(0, len(content), 300):
                stream.write(content[begin : begin + 300])
                stream.flush()
                time.sleep(0.25)
                assert not (folders[1] / "slow.bmp").exists()
        until(lambda: told(folders) == ["slow.bmp"], "the picture")
        assert ended(process).code == 143
    assert told(folders, "failed") == []


def test_half_a_file_that_rests_fails_and_is_done_once_it_is_whole(folders, draw, tmp_path):
    content = draw(tmp_path / "whole.png", size=(60, 40)).read_bytes()
    with watching(folders) as process:
        (folders[0] / "half.png").write_bytes(content[: len(content) // 2])
        until(lambda: told(folders, "failed") == ["half.png"], "the failure")
        assert not (folders[1] / "half.png").exists()
        (folders[0] / "half.png").write_bytes(content)
        until(lambda: told(folders) == ["half.png"], "the picture")
        ran = ended(process)
    assert told(folders, "failed") == ["half.png"]  # once, not at each look
    assert "1 done, 0 skipped, 0 failed" in ran.err


def test_what_changes_is_done_again_and_upscale_agrees_that_all_is_finished(
    folders, draw, size, esc
):
    with watching(folders) as process:
        draw(folders[0] / "a.png")
        until(lambda: told(folders) == ["a.png"], "the first")
        draw(folders[0] / "a.png", 3, (20, 10))
        until(lambda: told(folders) == ["a.png", "a.png"], "the second")
        ended(process)
    assert size(folders[1] / "a.png") == (40, 20)
    again = esc(folders[0], "-o", folders[1], "-s", "2", "--model", "clean")
    assert "0 done, 1 skipped" in again.err


def test_a_picture_that_changes_while_it_is_done_is_done_again(folders, draw, size):
    with watching(folders) as process:
        draw(folders[0] / "large.png", 0, (700, 600))
        time.sleep(0.1)
        part = draw(folders[0].with_name("other.png"), 5, (30, 20))
        until(folders[1].exists, "the beginning")  # made when the work begins
        part.replace(folders[0] / "large.png")
        until(lambda: told(folders) == ["large.png"], "the second")
        ran = ended(process)
    assert size(folders[1] / "large.png") == (60, 40)
    assert "changed while it was done" in ran.err


def test_videos_arrive_like_pictures_and_idleness_ends_it(folders, draw):
    pytest.importorskip("av")
    Clip(frames=3).write(folders[0] / "clip.mkv")
    draw(folders[0] / "a.png")
    with watching(folders, "--poll", "--until-idle", "1") as process:
        out, err = process.communicate(timeout=SECONDS)
    ran = Command.ended(process.returncode, out, err)
    assert ran.code == 0
    assert sorted(told(folders)) == ["a.png", "clip.mkv"]


@pytest.mark.parametrize("words", [("--poll",), ("--quiet",)], ids=["polling", "events"])
def test_what_has_yet_to_settle_is_no_idleness(folders, draw, words):
    draw(folders[0] / "a.png")
    words = (*words, "--settle", "3", "--until-idle", "0")
    with watching(folders, *words) as process:
        out, err = process.communicate(timeout=SECONDS)
    assert Command.ended(process.returncode, out, err).code == 0
    assert told(folders) == ["a.png"]


def test_a_failure_that_is_still_there_at_the_end_is_code_1(folders, draw):
    (folders[0] / "bad.png").write_bytes(b"no picture")
    draw(folders[0] / "a.png")
    with watching(folders, "--poll", "--until-idle", "0.5") as process:
        out, err = process.communicate(timeout=SECONDS)
    ran = Command.ended(process.returncode, out, err)
    assert ran.code == 1
    assert len(ran.lines_naming("bad.png")) == 1
    assert told(folders) == ["a.png"]


def test_a_folder_that_vanishes_for_a_while_is_waited_for(folders, draw):
    away = folders[0].with_name("away")
    with watching(folders) as process:
        draw(folders[0] / "a.png")
        until(lambda: told(folders) == ["a.png"], "the first")
        folders[0].rename(away)
        time.sleep(1)
        assert process.poll() is None
        draw(away / "b.png", 1)
        away.rename(folders[0])
        until(lambda: "b.png" in told(folders), "the second")
        assert ended(process).code == 143
    assert told(folders) == ["a.png", "b.png"]


def test_without_events_there_is_a_note_and_with_them_no_look_is_needed(folders, draw):
    has_events = importlib.util.find_spec("watchdog") is not None
    with watching(folders, "--until-idle", "20") as process:
        time.sleep(3)  # the first look has been by then
        draw(folders[0] / "late.png")
        until(lambda: told(folders) == ["late.png"], "the picture")
        ran = ended(process)
    assert ("watchdog is not installed" in ran.err) is not has_events


def test_what_cannot_be_watched_is_wrong_usage(folders, draw, esc_command):
    picture = draw(folders[0] / "a.png")
    ran = esc_command("watch", picture, "-o", folders[1])
    assert (ran.code, "watching" in ran.err) == (2, False)
    assert esc_command("watch", folders[0], "-o", folders[0]).code == 2
    assert esc_command("watch", folders[0], "-o", folders[1], "--settle", "0").code == 2
    assert esc_command("watch", folders[0], "-o", folders[1], "--model", "nobody").code == 2


def test_a_place_that_cannot_be_written_is_found_before_anything_arrives(folders, esc_command):
    folders[1].write_bytes(b"a file in the way")
    ran = esc_command("watch", folders[0], "-o", folders[1] / "below", "--until-idle", "0.1")
    assert ran.code == 3
    assert "cannot be created" in " ".join(ran.err.split())
