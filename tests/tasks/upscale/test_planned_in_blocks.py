"""A large batch is planned block after block, and all that is seen of it is one batch."""

import os
import threading

import pytest
from block_runs import (
    SMALL,
    WHOLE,
    counted,
    events_of,
    files_in,
    named,
    picture,
    pictures,
    results,
    run,
)
from clips import Clip, frames_of

from esc_cli.errors import UsageError
from esc_cli.files.atomic import part_name
from esc_cli.media.paths import Source
from esc_cli.tasks.upscale.blocks import Sizes
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline
from esc_cli.tasks.upscale.run import upscale
from esc_cli.tasks.upscale.shard import Shard
from esc_cli.tasks.upscale.video.kind import VideoKind

COUNT = 14


@pytest.fixture
def photos(tmp_path):
    return pictures(tmp_path / "in", COUNT)


def test_it_is_one_batch_in_the_order_of_the_folder(photos):
    plan, items, summary = run(photos)
    assert (plan.total, plan.to_do, plan.looked_at) == (COUNT, COUNT, 4)
    assert named(items) == [(f"{n:02}.png", f"{n:02}.png", "done") for n in range(COUNT)]
    assert counted(summary) == (COUNT, 0, 0, 0, 0)


def test_results_and_records_are_those_of_a_batch_that_is_planned_whole(photos, tmp_path):
    run(photos, output=f"{tmp_path / 'blocks'}/")
    run(photos, WHOLE, output=f"{tmp_path / 'whole'}/")
    assert results(tmp_path / "blocks") == results(tmp_path / "whole")
    _, again, summary = run(photos, WHOLE, output=f"{tmp_path / 'blocks'}/")
    assert {item.status for item in again} == {"skipped"}
    assert summary.exit_code == 0


def test_a_small_batch_is_planned_whole(photos):
    plan, _, _ = run(photos, Sizes(whole=COUNT, first=1, more=1), dry_run=True)
    assert plan.looked_at is None


@pytest.mark.parametrize(
    "wish",
    [
        {"in_place": True, "backup": "kept"},
        {"shard": Shard(1, 2), "shard_videos": True},
    ],
)
def test_what_looks_at_all_inputs_is_planned_whole(photos, tmp_path, wish):
    if "backup" in wish:
        wish = wish | {"backup": f"{tmp_path / 'kept'}"}
    plan, items, _ = run(photos, Sizes(1, 1, 1), dry_run=True, **wish)
    assert plan.looked_at is None
    assert plan.to_do == len(items) > 1


def test_the_first_picture_is_done_before_the_header_of_the_last_is_read(photos):
    last = photos / f"{COUNT - 1:02}.png"
    last.write_bytes(b"none yet")
    seen = []
    for event in events_of(photos):
        if isinstance(event, Item) and not seen:
            picture(last)
        seen += [event] if isinstance(event, Item) else []
    assert named(seen)[-1] == (last.name, last.name, "done")


def test_a_second_run_skips_all_and_does_what_is_new(photos):
    run(photos)
    plan, items, summary = run(photos)
    assert plan.to_do == 0
    assert named(items) == [(f"{n:02}.png", f"{n:02}.png", "skipped") for n in range(COUNT)]
    assert counted(summary) == (0, COUNT, 0, 0, 0)
    for number in (6, 9, COUNT - 1):
        picture(photos / f"{number:02}.png", side=9, seed=99)
    _, items, summary = run(photos)
    assert [item.input.stem for item in items if item.status == "done"] == ["06", "09", "13"]
    assert counted(summary) == (3, COUNT - 3, 0, 0, 0)


def test_failures_of_every_block_are_named_and_nothing_else_is_lost(photos):
    bad = ("01", "05", "06", "12")
    for stem in bad:
        (photos / f"{stem}.png").write_bytes(b"none")
    (photos / "sub.png").symlink_to("sub.png")
    _, items, summary = run(photos)
    assert sorted(item.input.stem for item in items if item.status == "failed") == [*bad, "sub"]
    assert counted(summary) == (COUNT - 4, 0, 5, 0, 1)


def test_names_that_collide_come_out_as_in_a_whole_plan(tmp_path):
    """In different blocks, longer names that exist, numbers, other cases and compositions."""
    folder = tmp_path / "in"
    names = ["a.bmp", "b.png", "c.png", "d.png", "a.png", "e.png", "A.PNG", "f.png", "\u00e4.png"]
    names += ["a.bmp.png", "h.png", "a.png~2.png", "i.png", "a\u0308.bmp", "z.png", "z.tif.png"]
    for number, name in enumerate([*names, "zz.bmp", "z.tif", "y.0001.png", "y.0002.png"]):
        picture(folder / name, seed=number)
    wish = {"format": "png", "dry_run": True, "output": f"{tmp_path / 'out'}/"}
    _, items, _ = run(folder, Sizes(whole=3, first=2, more=2), **wish)
    _, whole, _ = run(folder, WHOLE, **wish)
    assert sorted(named(items)) == sorted(named(whole))
    outputs = [item.output.name for item in items]
    assert {"a.bmp.png", "z.tif.png", "y.0001.png"} <= set(outputs), outputs
    assert len(set(outputs)) == len(items)


@pytest.mark.parametrize("pattern", ["all", "{width}", "{stem}_{height}", "{scale}{stem}"])
def test_names_by_a_pattern_come_out_as_in_a_whole_plan(photos, tmp_path, pattern):
    wish = {"name": pattern, "dry_run": True, "output": f"{tmp_path / 'out'}/"}
    plan, items, _ = run(photos, **wish)
    assert named(items) == named(run(photos, WHOLE, **wish)[1])
    assert (plan.looked_at is None) == (pattern != "{scale}{stem}")


def test_copies_without_a_suffix_are_named_as_in_a_whole_plan(tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("x.png", "x", *(f"{number}.png" for number in range(8)), "x.bmp"):
        picture(tmp_path / "any.png").rename(tmp_path / "in" / name)
    inputs = tuple(str(path) for path in sorted((tmp_path / "in").iterdir()))
    wish = {"min_side": 4, "large": "copy", "dry_run": True, "model": "esc-tiny"}
    outputs = []
    for sizes in (SMALL, WHOLE):
        options = UpscaleOptions(inputs, output=f"{tmp_path / 'out'}/", **wish)
        items = [one for one in upscale(options, None, sizes) if isinstance(one, Item)]
        outputs.append(sorted(named(items)))
    assert outputs[0] == outputs[1]


def test_an_output_that_is_an_input_of_a_later_block_is_refused_before_any_work(photos):
    picture(photos / "13_x4.png")
    inputs = tuple(str(photos / name) for name in files_in(photos))
    with pytest.raises(UsageError, match="is an input and would be overwritten"):
        list(upscale(UpscaleOptions(inputs, model="esc-tiny"), None, SMALL))
    assert len(list(photos.iterdir())) == COUNT + 1


def test_a_link_among_results_that_leads_to_an_input_is_refused_before_any_work(photos, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "12.png").symlink_to(photos / "01.png")
    with pytest.raises(UsageError, match="is an input and would be overwritten"):
        list(events_of(photos, output=f"{tmp_path / 'out'}/"))
    assert files_in(tmp_path / "out") == ["12.png"]


def test_leftovers_of_killed_runs_go_in_folders_of_later_blocks_too(photos):
    picture(photos / "later" / "one.png")
    part = part_name("one.png").replace(f"-{os.getpid()}-", "-4194304-")  # above any pid
    left = photos.with_name("in_x4") / "later" / part
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    run(photos)
    assert files_in(left.parent) == ["one.png"]


def test_shares_do_all_of_it_together(photos):
    seen = []
    for index in (1, 2):
        plan, items, summary = run(photos, Sizes(2, 2, 2), shard=Shard(index, 2))
        assert plan.total + plan.of_other_shares == COUNT
        assert summary.left == 0
        seen += items
    assert sorted(item.input.stem for item in seen) == [f"{n:02}" for n in range(COUNT)]


def test_a_block_that_needs_another_network_waits_for_it(tmp_path, monkeypatch):
    prepared, prepare = [], Pipeline.prepared
    monkeypatch.setattr(
        Pipeline,
        "prepared",
        lambda self, networks: prepared.append(len(networks)) or prepare(self, networks),
    )
    for number in range(12):
        picture(tmp_path / "in" / f"{number:02}.png", side=12 if number in (7, 8) else 6)
    target, name = Target(longest_side=24), "in_l24"
    _, items, summary = run(tmp_path / "in", target=target)
    assert [item.input.stem for item in items] == [f"{number:02}" for number in range(12)]
    assert summary.exit_code == 0
    assert prepared == [1, 2]
    mine = results(tmp_path / name)
    run(tmp_path / "in", WHOLE, target=target, existing="overwrite")
    assert results(tmp_path / name) == mine


def test_videos_are_planned_when_no_other_is_decoded(photos, monkeypatch):
    """By the thread that runs them: libraries of videos log through locks of Python."""
    threads, draft = set(), VideoKind.draft
    monkeypatch.setattr(
        VideoKind,
        "draft",
        lambda *given: threads.add(threading.current_thread()) or draft(*given),
    )
    for number in (2, 6, 7, 9):
        Clip(frames=3).write(photos / f"{number:02}a.mkv")
    assert counted(run(photos)[2]) == (COUNT + 4, 0, 0, 0, 0)
    assert threads == {threading.main_thread()}


@pytest.mark.slow
def test_videos_of_later_blocks_are_what_they_would_be(tmp_path, photos):
    for number in (5, 6, 11):
        Clip(frames=3).write(photos / f"{number:02}a.mkv")
    (photos / "07a.mkv").write_bytes(b"no video")
    found = []
    for name, sizes in (("blocks", SMALL), ("whole", WHOLE)):
        out = tmp_path / name
        _, items, summary = run(photos, sizes, model=None, output=f"{out}/")
        assert counted(summary) == (COUNT + 3, 0, 1, 0, 1)
        clips = map(frames_of, sorted(out.glob("*.mkv")))  # each file has an id of its own
        frames = [[plane.tobytes() for frame in clip for plane in frame] for clip in clips]
        pixels = {path.name: path.read_bytes() for path in out.glob("*.png")}
        found.append((sorted(named(items)), frames, pixels))
    assert found[0] == found[1]


def test_a_result_that_is_an_input_of_another_share_is_refused_before_any_work(tmp_path):
    """Of those no name is known: then all is planned before."""
    pictures(tmp_path / "in" / "a", COUNT)
    shares = [Shard(index, 2) for index in (1, 2)]
    one, share = next(
        (path, share)
        for path in sorted((tmp_path / "in" / "a").iterdir(), reverse=True)
        for share in shares
        if share.holds(Source(path, tmp_path / "in")) and not share.holds(Source(path))
    )
    other = picture(tmp_path / "out" / "in" / "a" / one.name)
    options = UpscaleOptions(
        (f"{tmp_path / 'in'}", f"{other}"), f"{tmp_path / 'out'}/", shard=share
    )
    with pytest.raises(UsageError, match="is an input and would be overwritten"):
        list(upscale(options, None, Sizes(whole=2, first=1, more=1)))
    assert files_in(other.parent) == [one.name]
