"""What seats have done of a video is joined by another process, which has no network."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import pytest
from clips import Clip, finished_steps

from esc_cli.errors import DeadlineError, StoppedError
from esc_cli.files.lock import Lock
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster.joins import Joins, Missing
from esc_cli.tasks.upscale.cluster.videos import Film, sharing
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.run import Session, upscale
from esc_cli.tasks.upscale.stages import Failure
from esc_cli.tasks.upscale.video.unfinished import home_of

pytestmark = pytest.mark.slow
FRAMES = 260  # a group of h264 with a key frame at its end, and what is left
VIDEOS = {
    "prores": VideoOptions(codec="prores", segment_frames=40),
    "h264": VideoOptions(preset="ultrafast", segment_frames=40),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joins")
    Clip(frames=FRAMES, size=(16, 16), audio=("eng",)).write(folder / "in" / "clip.mov")
    return folder / "in"


@pytest.fixture(scope="module")
def alone(clip):
    """What one run makes of the clip, by its codec."""
    found = {}
    for codec, video in VIDEOS.items():
        options = UpscaleOptions((str(clip),), output=str(clip.with_name(codec)), video=video)
        *_, item, _ = upscale(options)
        assert item.status == "done", item.reason
        found[codec] = item.output.read_bytes()
    return found


@pytest.fixture(scope="module")
def finished(clip, tmp_path_factory):
    """Has a seat do all steps of a codec in an output folder: (options, film, turn)."""

    def do(output, codec="h264", **more):
        wish = {"cluster": "auto", "shard_videos": True, "video": VIDEOS[codec]} | more
        options = UpscaleOptions((str(clip),), output=str(output), **wish)
        session = Session.of(replace(options, cluster=None, shard_videos=False))
        (job,) = Planner(options, session.models, session.shelf).plan().jobs
        film = Film(job)
        seat = film.seat()
        *_, turn = job.run(sharing(options, seat.share), session.models, RecordShelf("w"), Stop())
        list(seat.hear(turn))
        return options, film

    return do


def joined(options, film, stop=None):
    """What is told until all is over."""
    joins = Joins(options, RecordShelf("driver"), Stop() if stop is None else stop)
    joins.begin(film, film.whole)
    told = []
    while joins.is_busy:
        told += [one for _, one in joins.heard()]
        time.sleep(0.01)
    joins.close()
    return told


@pytest.mark.parametrize("codec", VIDEOS)
def test_the_result_is_that_of_one_run(finished, alone, tmp_path, codec):
    out = tmp_path / "out"
    options, film = finished(out, codec)
    assert not (out / "clip.mov").exists()
    *progress, item = joined(options, film)
    assert (item.status, item.frames) == ("done", FRAMES)
    assert (out / "clip.mov").read_bytes() == alone[codec]
    assert {"decode", "network", "encode", "join"} == set(item.seconds)
    assert [path.name for path in out.glob(".*")] == [".esc-records.driver.jsonl"]
    assert [one.done for one in progress] == ([250, 260] if codec == "h264" else [])
    *_, again, _ = upscale(replace(options, cluster=None, shard_videos=False))
    assert again.status == "skipped"


def test_a_part_that_says_how_it_came_about(finished, clip, tmp_path):
    part = replace(VIDEOS["prores"], start=2.0, frames=50)
    options, film = finished(tmp_path / "out", video=part, provenance=True)
    assert joined(options, film)[-1].frames == 50
    own = replace(options, output=str(tmp_path / "own"), cluster=None, shard_videos=False)
    *_, item, _ = upscale(own)
    assert item.output.read_bytes() == film.job.output.read_bytes()
    assert b"esc-tiny" in item.output.read_bytes()


def test_a_damaged_segment_is_found_and_the_next_round_does_it(finished, alone, tmp_path):
    out = tmp_path / "out"
    options, film = finished(out)
    (step, *_) = finished_steps(out / "clip.mov")
    step.write_bytes(step.read_bytes()[:-1])
    assert joined(options, film) == [Missing(1)]
    options, film = finished(out)
    assert joined(options, film)[-1].status == "done"
    assert (out / "clip.mov").read_bytes() == alone["h264"]


class Late(Stop):
    """A batch whose time is up from the beginning."""

    is_due = True


def test_when_the_time_is_up_it_ends_with_the_segment_in_hand(finished, alone, tmp_path):
    out = tmp_path / "out"
    options, film = finished(out)
    (told,) = joined(options, film, Late())
    assert isinstance(told.error, DeadlineError)
    assert "10 of 260 frames left to be encoded" in str(told.error)
    assert len(list(out.glob(".clip*/*/*.segment"))) == 1
    options, film = finished(out)
    assert film.turns[0].seconds == {}  # of the steps nothing is done again
    *progress, item = joined(options, film)
    assert [one.done_now for one in progress] == [10]
    assert (item.status, (out / "clip.mov").read_bytes()) == ("done", alone["h264"])


class StopAt(Stop):
    """A signal that comes at the n-th look."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    def check(self) -> None:
        self.looks -= 1
        if not self.looks:
            self.set(15)
        super().check()


@pytest.mark.parametrize("looks", [1, 150, 500, 1000])
def test_a_signal_ends_it_at_once_wherever_it_is(finished, alone, tmp_path, looks):
    """While segments are read, frames encoded, packets joined, and the result is compared."""
    out = tmp_path / "out"
    options, film = finished(out)
    *_, told = joined(options, film, StopAt(looks))
    assert isinstance(told, Failure)
    assert isinstance(told.error, StoppedError)
    assert not (out / "clip.mov").exists()
    assert not list(out.glob("*.esc-part"))
    *_, item, _ = upscale(replace(options, cluster=None, shard_videos=False))
    assert (item.status, (out / "clip.mov").read_bytes()) == ("done", alone["h264"])


def test_closing_ends_it_too(finished, tmp_path):
    options, film = finished(tmp_path / "out")
    joins = Joins(options, RecordShelf("driver"), Stop())
    joins.begin(film, film.whole)
    while not (first := list(joins.heard())):
        time.sleep(0.001)
    joins.close()
    *_, (_, last) = [*first, *joins.heard()]
    assert isinstance(last.error, StoppedError)
    assert not film.job.output.exists()


def test_a_source_that_has_changed_fails_by_name(finished, clip, tmp_path):
    options, film = finished(tmp_path / "out")
    source = clip / "clip.mov"
    before = source.stat()
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    (told,) = joined(options, film)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "changed while the batch ran" in told.error.reason


def test_nobody_else_joins_at_the_same_time(finished, tmp_path):
    options, film = finished(tmp_path / "out")
    lock = Lock(home_of(film.job.output) / "lock.join")
    assert lock.take()
    (told,) = joined(options, film)
    lock.release()
    assert "another esc works on this video" in told.error.reason


def test_without_what_decoding_has_told_it_fails_by_name(finished, tmp_path):
    options, film = finished(tmp_path / "out")
    (film.whole.folder / "reading.json").write_text("{}")
    (told,) = joined(options, film)
    assert "what decoding has told" in told.error.reason
    (film.whole.folder / "journal.jsonl").unlink()
    (told,) = joined(options, film)
    assert "gone or cannot be read" in told.error.reason
