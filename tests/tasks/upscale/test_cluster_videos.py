"""What a driver makes of the seats at a video: one item, and nothing undone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from clips import Clip

from esc_cli.tasks.upscale.cluster.videos import attempts
from esc_cli.tasks.upscale.events import Progress, Remark
from esc_cli.tasks.upscale.job import item_of
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session
from esc_cli.tasks.upscale.video.claims import Turn


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    """(options, jobs) of a long and a short video."""
    folder = tmp_path_factory.mktemp("films")
    Clip(frames=24, size=(32, 16)).write(folder / "a-long.mkv")
    Clip(frames=9, size=(32, 16)).write(folder / "b-short.mkv")
    options = UpscaleOptions(
        (str(folder),), cluster="auto", shard_videos=True, video=VideoOptions(segment_frames=2)
    )
    session = Session.of(options)
    return options, Planner(options, session.models, session.shelf).plan().jobs


def seats(planned, workers=3):
    options, jobs = planned
    return list(attempts(jobs, options, workers))


def turn(attempt, missing):
    item = item_of(attempt.job, "shared")
    return Turn(**vars(item), job=attempt.job, folder=Path("k"), missing=missing)


def told(attempt, status):
    """What the batch is told when a seat ends with an item, or with so many missing segments."""
    is_turn = isinstance(status, int)
    item = turn(attempt, status) if is_turn else item_of(attempt.job, status)
    return [item.status for item in attempt.hear(item)]


def test_long_videos_have_a_seat_for_each_worker_if_that_is_asked_for(planned):
    found = seats(planned)
    names = [(one.job.source.path.name, one.share and one.share.index) for one in found]
    long = [("a-long.mkv", index) for index in (1, 2, 3)]
    assert names == [*long, ("b-short.mkv", None)]
    assert len({one.share.name for one in found[:3]}) == 3
    assert len({one.share.run for one in found[:3]}) == 1
    assert seats(planned)[0].share.run != found[0].share.run
    options, jobs = planned
    alone = attempts(jobs, replace(options, shard_videos=False), 3)
    assert [one.share for one in alone] == [None, None]
    assert len(seats(planned, 4)) == 2  # five segments are not long for four


def test_seats_tell_what_is_on_the_way_and_each_note_once(planned):
    first, second, *_ = seats(planned)
    path = first.job.source.path
    told = [(first, 7, 2), (second, 9, 4), (first, 10, 5), (second, 9, 4), (first, 6, 1)]
    heard = [next(seat.hear(Progress(path, done, 20, now))) for seat, done, now in told]
    assert [one.done for one in heard] == [7, 11, 14, 14, 14]  # 5 were finished before
    assert [one.done_now for one in heard] == [2, 6, 9, 9, 9]
    (last,) = second.hear(Progress(path, 20, 20, 17))
    assert (last.done, last.total) == (20, 20)
    assert list(first.hear(Remark(path, "a note")))
    assert not list(second.hear(Remark(path, "a note")))
    assert list(second.hear(Remark(path, "another note")))


def test_a_video_is_joined_once_a_seat_has_found_all_segments_finished(planned):
    first, second, third, _ = seats(planned)
    film = first.film
    assert told(second, 2) == []
    assert (film.whole, film.is_left) == (None, False)
    assert told(first, 0) == []
    assert film.whole.missing == 0
    film.is_joining = True
    assert film.whole is None
    assert not third.is_needed
    assert told(third, "failed") == []  # its folder went while it came to the end
    assert film.tell(item_of(first.job, "done")).status == "done"
    assert (film.whole, film.is_left, film.is_open) == (None, False, False)


def test_a_worker_that_comes_late_has_a_seat_until_one_has_come_to_the_end(planned):
    first, second, third, _ = seats(planned)
    film = first.film
    assert film.is_open
    late = film.seat()
    assert late.share.name not in {one.share.name for one in (first, second, third)}
    for one in (first, second, third):
        assert told(one, 1) == []
        assert (film.is_open, film.is_left) == (False, False)
    assert told(late, 1) == []
    assert film.is_left


def test_segments_that_nobody_has_finished_are_done_in_a_further_round(planned):
    first, second, third, _ = seats(planned)
    film = first.film
    assert [told(one, 1) for one in (first, second)] == [[], []]
    rest = film.again()
    assert rest.share.run != first.share.run
    assert rest.share.name not in {one.share.name for one in (first, second, third)}
    assert (rest.is_needed, third.is_needed, film.is_open) == (True, False, True)
    assert told(third, 0) == []  # of the round before: what it has seen was damaged
    assert (film.whole, film.is_left) == (None, False)
    assert told(rest, 0) == []
    assert film.whole.missing == 0


def test_what_is_told_of_a_video_is_of_all_seats(planned):
    first, second, *_ = seats(planned)
    for seat, device, tile, precision in (
        (first, "a cpu", 64, "fp16"),
        (second, "b cpu", 0, "fp32"),
    ):
        made = {"seconds": {"network": 1.5}, "device": device, "tile": tile, "precision": precision}
        list(seat.hear(replace(turn(seat, 0), notes=("less memory",), **made)))
    made = first.film.made
    assert made.seconds == {"network": 3.0}
    assert (made.tile, made.precision, made.device) == (64, "fp32", "a cpu, b cpu")
    assert made.notes == ("less memory",)


def test_a_video_fails_once(planned):
    first, second, third, _ = seats(planned)
    assert told(first, "failed") == ["failed"]
    assert not second.is_needed
    assert told(second, "failed") == []
    assert told(third, 0) == []
    assert first.film.whole is None


def test_a_seat_knows_the_result_that_stood_when_the_run_began(planned):
    first, *_ = seats(planned)
    assert first.share.before is None
    output = first.job.output
    output.parent.mkdir()
    output.write_bytes(b"earlier")
    os.utime(output, ns=(1, 7))
    assert seats(planned)[0].share.before == (7, 7)
    output.unlink()
