"""What a driver makes of the shares of a video: one item, and nothing undone."""

from __future__ import annotations

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


def shares(planned, workers=3):
    options, jobs = planned
    return list(attempts(jobs, options, workers))


def told(attempt, status):
    found = list(attempt.hear(item_of(attempt.job, status)))
    return [item.status for item in found], list(attempt.end())


def test_long_videos_are_in_a_share_for_each_worker_if_that_is_asked_for(planned):
    names = [(one.job.source.path.name, one.share and one.share.text) for one in shares(planned)]
    long = [("a-long.mkv", f"{index}/3") for index in (1, 2, 3)]
    assert names == [*long, ("b-short.mkv", None)]
    options, jobs = planned
    alone = attempts(jobs, replace(options, shard_videos=False), 3)
    assert [one.share for one in alone] == [None, None]
    assert len(shares(planned, 4)) == 2  # five segments are not long for four


def test_of_all_shares_one_item_is_told(planned):
    first, second, third, _ = shares(planned)
    assert list(first.hear(Progress(Path("x"), 1, 2, 1)))
    assert told(second, "shared") == ([], [])
    assert told(first, "done") == (["done"], [])
    assert told(third, "shared") == ([], [])
    assert not third.is_needed


def test_a_video_that_no_share_has_joined_is_done_once_more_as_a_whole(planned):
    first, second, third, _ = shares(planned)
    assert told(first, "shared") == ([], [])
    assert told(second, "shared") == ([], [])
    nothing, (rest,) = told(third, "shared")
    assert nothing == []
    assert (rest.job, rest.share, rest.film) == (first.job, None, None)
    assert list(second.end()) == []
    assert told(rest, "done") == (["done"], [])


def test_a_video_fails_once(planned):
    first, second, third, _ = shares(planned)
    assert told(first, "failed") == (["failed"], [])
    assert not second.is_needed
    assert told(second, "failed") == ([], [])
    assert told(third, "shared") == ([], [])
