"""A long video whose segments are shared: the bytes of one run, whoever is killed on the way."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from clips import Clip, finished_steps

from esc_cli.errors import DiskError, UsageError
from esc_cli.files.lock import Lock
from esc_cli.media.paths import Source
from esc_cli.tasks.report.merge import merge
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.disk import check_disk
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session, upscale
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.claims import Claims
from esc_cli.tasks.upscale.video.journal import stored_journal
from esc_cli.tasks.upscale.video.unfinished import home_of

FRAMES = 34
KINDS = {
    "prores": VideoOptions(codec="prores", segment_frames=4),
    "h264": VideoOptions(segment_frames=4),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(the folder of a clip and of what one run makes of it in each codec)."""
    folder = tmp_path_factory.mktemp("shared")
    clip = Clip(frames=FRAMES, size=(32, 16), audio=("eng",)).write(folder / "in" / "clip.mov")
    for codec, video in KINDS.items():
        run(clip.parent, folder / codec, video, None)
    return folder


@pytest.fixture
def clips(made, tmp_path):
    # The input is the same for all: MOV keeps no names of files.
    return Path(shutil.copytree(made / "in", tmp_path / "in"))


def run(folder, output, video, shard, stop=None):
    options = UpscaleOptions(
        (str(folder),), output=str(output), video=video, shard=shard, shard_videos=shard is not None
    )
    *_, item, summary = upscale(options, Stop() if stop is None else stop)
    return item, summary


@pytest.mark.slow
@pytest.mark.parametrize("codec", KINDS)
def test_the_last_share_joins_what_all_have_done(made, clips, tmp_path, codec):
    out = tmp_path / codec
    first, ended = run(clips, out, KINDS[codec], Shard(2, 2))
    assert (first.status, ended.exit_code, ended.shared) == ("shared", 0, 1)
    steps = finished_steps(out / "clip.mov")
    assert 0 < len(steps) < 9
    assert f"{9 - len(steps)} of all 9 are left" in first.reason
    last, _ = run(clips, out, KINDS[codec], Shard(1, 2))
    assert last.status == "done", last.reason
    assert (out / "clip.mov").read_bytes() == (made / codec / "clip.mov").read_bytes()
    assert not list(out.glob(".clip*"))
    again, _ = run(clips, out, KINDS[codec], Shard(2, 2))
    assert again.status == "skipped"


@pytest.mark.parametrize("codec", KINDS)
def test_of_workers_each_takes_what_no_other_has_and_none_joins(clips, tmp_path, codec):
    """The second has taken two segments when the first comes to them, and has done none."""
    out = tmp_path / codec
    first, second = (Seat(index, index, "r1") for index in (1, 2))
    run(clips, out, KINDS[codec], Shard(2, 2))
    (journal,) = (path.parent for path in out.glob(".clip*/*/journal.jsonl"))
    stored = stored_journal(journal)
    taken = sorted(set(range(9)) - stored.numbers)[-2:]
    assert all(map(Claims.of(journal, second).take, taken))
    assert not Claims.of(journal, first).take(taken[0])
    assert Claims.of(journal, replace(first, run="r2")).take(taken[0])
    item, ended = run(clips, out, KINDS[codec], first)
    assert (item.status, ended.exit_code) == ("shared", 0)
    assert "2 of all 9 segments are left" in item.reason
    assert (item.missing, item.folder) == (2, journal)
    assert len(stored.numbers) < 7 == len(stored_journal(journal).numbers)
    last, _ = run(clips, out, KINDS[codec], second)
    assert (last.status, last.missing) == ("shared", 0)
    assert last.seconds["network"] > 0
    late, _ = run(clips, out, KINDS[codec], Seat(3, 3, "r1"))
    assert (late.status, late.missing, late.seconds) == ("shared", 0, {})  # nothing was decoded
    assert not (out / "clip.mov").exists()


def test_once_all_is_joined_nobody_takes_anything(tmp_path):
    claims = Claims.of(tmp_path / "k", Seat(1, 1, "r1"))
    claims.folder.mkdir()
    assert claims.take(3)
    assert claims.take(3)
    shutil.rmtree(claims.folder)
    assert not claims.take(3)
    assert not claims.folder.exists()


def test_a_worker_that_comes_after_all_is_joined_begins_nothing(made, clips, tmp_path):
    out = tmp_path / "out"
    options = UpscaleOptions(
        (str(clips),), output=str(out), video=KINDS["prores"], shard=Seat(2, 2, "r1"),
        shard_videos=True,
    )  # fmt: skip
    session = Session.of(options)
    (job,) = Planner(options, session.models, session.shelf).plan().jobs
    run(clips, out, KINDS["prores"], None)
    before = (out / "clip.mov").stat()
    (item,) = job.run(options, session.models, session.shelf, Stop())
    assert (item.status, item.reason) == ("shared", "other workers have joined all")
    assert (out / "clip.mov").stat() == before
    assert not list(out.glob(".clip*"))


@pytest.mark.slow
@pytest.mark.parametrize("codec", KINDS)
def test_a_share_that_was_killed_is_completed_by_a_run_without_shares(made, clips, tmp_path, codec):
    """Killed with a segment that is on disk and has no line, and another cut short."""
    out = tmp_path / codec
    run(clips, out, KINDS[codec], Shard(1, 2))
    (journal,) = out.glob(".clip*/*/journal.1of2.jsonl")
    journal.write_bytes(journal.read_bytes()[:-40])
    steps = finished_steps(out / "clip.mov")
    steps[0].write_bytes(steps[0].read_bytes()[:-9])
    last, _ = run(clips, out, KINDS[codec], None)
    assert last.status == "done", last.reason
    assert (out / "clip.mov").read_bytes() == (made / codec / "clip.mov").read_bytes()
    assert not list(out.glob(".clip*"))


def test_a_run_and_a_share_do_not_work_at_the_same_time(clips, tmp_path):
    home = tmp_path / "out" / ".clip.mov.esc-segments"
    for held, shard in ((home / "lock.3of4", None), (home / "lock.1of2", Shard(1, 2))):
        lock = Lock(held)
        assert lock.take()
        item, summary = run(clips, tmp_path / "out", KINDS["prores"], shard)
        assert (item.status, summary.exit_code) == ("failed", 1)
        assert "another esc works on" in item.reason
        lock.release()


def test_a_short_video_is_of_one_share(clips, tmp_path):
    options = UpscaleOptions(
        (str(clips),), output=str(tmp_path / "out"), video=KINDS["prores"], shard_videos=True,
        shard=Shard(1, 3), dry_run=True,
    )  # fmt: skip
    found = [next(iter(upscale(replace(options, shard=Shard(i, 3))))) for i in (1, 2, 3)]
    assert sorted(plan.to_do for plan in found) == [0, 0, 1]
    assert sum(plan.of_other_shares for plan in found) == 2


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"shard": Shard(1, 2), "existing": "overwrite"},
        {"shard": Shard(1, 2), "video": VideoOptions(discard_unfinished=True)},
    ],
)
def test_what_does_not_go_with_shared_videos_is_refused(more):
    with pytest.raises(UsageError, match="--shard-videos"):
        UpscaleOptions(("in",), shard_videos=True, **more)


@pytest.mark.parametrize("shared", [{"shard": Shard(1, 2)}, {"cluster": "auto"}])
def test_frames_that_wait_for_the_last_share_count_for_the_disk(clips, tmp_path, shared):
    def planned(codec, **wish):
        options = UpscaleOptions(
            (str(clips),), output=str(tmp_path / "out"), video=KINDS[codec], **wish
        )
        session = Session.of(options)
        (job,) = Planner(options, session.models, session.shelf).plan().jobs
        return replace(job, header=replace(job.header, frames=10**10)), options

    job, options = planned("h264", shard_videos=True, **shared)
    with pytest.raises(DiskError, match="MB are needed"):
        check_disk([job], options)
    half = job.waiting_bytes(options)
    (home_of(job.output) / "k").mkdir(parents=True)
    (home_of(job.output) / "k" / "000000.step").write_bytes(bytes(1000))
    assert 1000 <= half - job.waiting_bytes(options) < 10_000
    for codec, wish in (("h264", {}), ("prores", {"shard_videos": True, **shared})):
        job, options = planned(codec, **wish)
        check_disk([job], options)


def test_segments_are_shared_about_equally_and_each_once():
    source = Source(Path("films/one.mkv"), Path("films"))
    shares = [Shard(i, 5) for i in range(1, 6)]
    own = [[n for n in range(1000) if share.holds_step(source, n)] for share in shares]
    assert sorted(n for numbers in own for n in numbers) == list(range(1000))
    assert min(map(len, own)) > 150


def test_merged_reports_tell_of_a_video_that_nobody_has_joined(tmp_path):
    def merged(*statuses):
        path = tmp_path / "report.jsonl"
        lines = [json.dumps({"input": "a.mkv", "status": status}) for status in statuses]
        path.write_text("\n".join(lines) + "\n")
        return merge([path])

    assert (merged("shared", "shared").failures, merged("shared").exit_code) != ((), 0)
    for statuses in (("done", "shared"), ("shared", "done"), ("done", "failed", "shared")):
        found = merged(*statuses)
        assert (found.done, found.failures, found.exit_code) == (1, (), 0)
