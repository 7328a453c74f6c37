"""What a driver makes of the seats at a video: one item, and nothing undone."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from clips import Clip

from esc_cli.tasks.upscale.cluster.films import attempts
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.job import item_of
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session


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


def told(attempt, status):
    found = list(attempt.hear(item_of(attempt.job, status)))
    return [item.status for item in found], list(attempt.end())


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


def test_of_all_seats_one_item_is_told(planned):
    first, second, third, _ = seats(planned)
    assert list(first.hear(Progress(Path("x"), 1, 2, 1)))
    assert told(second, "shared") == ([], [])
    assert told(first, "done") == (["done"], [])
    assert told(third, "shared") == ([], [])
    assert not third.is_needed


def test_a_worker_that_comes_late_has_a_seat_until_one_has_come_to_the_end(planned):
    first, second, third, _ = seats(planned)
    film = first.film
    assert film.is_open
    late = film.seat()
    assert late.share.name not in {one.share.name for one in (first, second, third)}
    for one in (first, second, third):
        assert told(one, "shared") == ([], [])
        assert not film.is_open
    assert len(told(late, "shared")[1]) == 1  # all is joined once the late one has ended, too


def test_a_video_that_no_seat_has_joined_is_done_once_more_as_a_whole(planned):
    first, second, third, _ = seats(planned)
    assert told(first, "shared") == ([], [])
    assert told(second, "shared") == ([], [])
    nothing, (rest,) = told(third, "shared")
    assert nothing == []
    assert (rest.job, rest.share, rest.film) == (first.job, None, None)
    assert list(second.end()) == []
    assert told(rest, "done") == (["done"], [])


def test_a_video_fails_once(planned):
    first, second, third, _ = seats(planned)
    assert told(first, "failed") == (["failed"], [])
    assert not second.is_needed
    assert told(second, "failed") == ([], [])
    assert told(third, "shared") == ([], [])


def test_a_seat_knows_the_result_that_stood_when_the_run_began(planned):
    first, *_ = seats(planned)
    assert first.share.before is None
    output = first.job.output
    output.parent.mkdir()
    output.write_bytes(b"earlier")
    os.utime(output, ns=(1, 7))
    assert seats(planned)[0].share.before == (7, 7)
    output.unlink()
