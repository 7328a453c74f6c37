"""Trouble with the folder of one video's finished parts is a failure of that video alone."""

from __future__ import annotations

import shutil
import threading
import time

import pytest
from clips import Clip, unfinished

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

VIDEO = VideoOptions(codec="ffv1", segment_frames=4)


def is_a_file(home):
    home.write_bytes(b"")


def has_a_folder_for_its_lock(home):
    (home / "lock").mkdir(parents=True)


def is_no_folder_at_all(home):
    home.symlink_to(home.with_name("nowhere") / "at" / "all")


@pytest.fixture
def clips(tmp_path):
    names = ("a.mkv", "b.mkv")
    return [Clip(frames=40, size=(32, 24)).write(tmp_path / "in" / name) for name in names]


def events_of(clips, video=VIDEO, stop=None):
    folder = clips[0].parent
    out = str(folder.with_name("out"))
    options = UpscaleOptions((str(folder),), out, target=Target(1), video=video)
    return upscale(options, Stop() if stop is None else stop)


def home_of(clip):
    return clip.parent.with_name("out") / f".{clip.name}.esc-segments"


def check_one_failed(events):
    items = {event.input.name: event for event in events if isinstance(event, Item)}
    assert [items[name].status for name in ("a.mkv", "b.mkv")] == ["failed", "done"]
    assert "please report" not in items["a.mkv"].reason
    assert "cannot be" in items["a.mkv"].reason
    return items["a.mkv"].reason


@pytest.mark.parametrize("trouble", [is_a_file, has_a_folder_for_its_lock, is_no_folder_at_all])
def test_a_folder_that_cannot_be_used(clips, trouble):
    home_of(clips[0]).parent.mkdir()
    trouble(home_of(clips[0]))
    *events, summary = events_of(clips)
    assert summary.exit_code == 1
    check_one_failed(events)


class AfterTheFirstStep(Stop):
    """Does something once the first step of a video is finished, and never stops."""

    def __init__(self, output, deed):
        super().__init__()
        self.output, self.deed, self.is_done = output, deed, False

    @property
    def is_due(self):
        is_at_border = threading.current_thread() is threading.main_thread()
        while is_at_border and not self.is_done and home_exists(self.output):
            if len(lines_of(unfinished(self.output))) > 1:  # nothing is written until this returns
                self.deed(unfinished(self.output))
                self.is_done = True
            time.sleep(0.001)
        return False


def lines_of(folder):
    journal = folder / "journal.jsonl"
    return journal.read_bytes().splitlines() if journal.is_file() else []


def home_exists(output):
    return output.with_name(f".{output.name}.esc-segments").exists()


def lose_a_part(folder):
    next(folder.glob("*.segment")).unlink()


def lose_the_journal(folder):
    (folder / "journal.jsonl").unlink()
    (folder / "journal.jsonl").mkdir()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("codec", "deed"),
    [
        ("ffv1", shutil.rmtree),
        ("h264", shutil.rmtree),
        ("ffv1", lose_a_part),
        ("ffv1", lose_the_journal),
        ("h264", lose_the_journal),
    ],
)
def test_what_vanishes_during_the_work(clips, codec, deed):
    stop = AfterTheFirstStep(home_of(clips[0]).parent / clips[0].name, deed)
    *events, summary = events_of(clips, VideoOptions(codec=codec, segment_frames=2), stop)
    assert summary.exit_code == 1
    check_one_failed(events)
