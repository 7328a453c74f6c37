"""A large batch is planned block after block, and all that is seen of it is one batch."""

import os

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import DiskError, UsageError
from esc_cli.files.atomic import part_name
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale import disk
from esc_cli.tasks.upscale.blocks import Sizes
from esc_cli.tasks.upscale.events import Item, Planned, Remark, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.run import upscale
from esc_cli.tasks.upscale.shard import Shard

SMALL = Sizes(whole=6, first=4, more=3)
WHOLE = Sizes(whole=10_000)
COUNT = 14


def picture(path, side=8, seed=0):
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)
    return path


@pytest.fixture
def photos(tmp_path):
    for number in range(COUNT):
        picture(tmp_path / "in" / f"{number:02}.png", seed=number)
    return tmp_path / "in"


def events_of(folder, sizes=SMALL, stop=None, **wish):
    wish = {"model": "esc-tiny"} | wish
    return upscale(UpscaleOptions((os.fspath(folder),), **wish), stop, sizes)


def run(folder, sizes=SMALL, stop=None, **wish):
    first, *others, last = events_of(folder, sizes, stop, **wish)
    assert isinstance(first, Planned)
    assert isinstance(last, Summary)
    return first, [one for one in others if isinstance(one, Item)], last


def named(items):
    return [(item.input.name, item.output and item.output.name, item.status) for item in items]


def counted(summary):
    return summary.done, summary.skipped, summary.failed, summary.left, summary.exit_code


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def results(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix == ".png"}


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


def test_fail_fast_in_a_later_block_leaves_the_rest(photos):
    (photos / "05.png").write_bytes(b"none")
    _, items, summary = run(photos, fail_fast=True)
    assert items[-1].status == "failed"
    assert summary.failed == 1
    assert summary.done < COUNT - 1
    assert summary.left == COUNT - 1 - summary.done
    assert summary.exit_code == 1


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_signal_in_a_later_block_counts_all_that_is_left(photos, dry_run):
    stop, items = Stop(), []
    for event in events_of(photos, stop=stop, dry_run=dry_run):
        items += [event] if isinstance(event, Item) else []
        if len(items) == 6:
            stop.set(15)
    assert (event.exit_code, event.left) == (143, COUNT - len(items))
    assert event.left > 0
    assert event.stopped


@pytest.mark.parametrize("finished", [False, True])
def test_a_deadline_ends_it_between_two_items(photos, finished):
    if finished:
        run(photos)
    stop, items = Stop(), []
    for event in events_of(photos, stop=stop):
        items += [event] if isinstance(event, Item) else []
        if len(items) == 6:
            stop.limit(0)
    assert (event.exit_code, event.left) == (75, COUNT - len(items))
    assert 0 < event.left < COUNT - 5
    _, _, summary = run(photos)
    assert counted(summary) == (COUNT - len(items), len(items), 0, 0, 0) or finished


@pytest.fixture
def small_disk(monkeypatch):
    """A disk of so many bytes, less what the results on it take."""

    def of(size, out):
        def usage(_):
            taken = sum(one.stat().st_size for one in out.glob("*.png"))
            return type("Usage", (), {"free": size - taken})

        monkeypatch.setattr(disk.shutil, "disk_usage", usage)

    return of


def test_a_disk_too_small_for_the_first_block_is_refused(photos, small_disk):
    small_disk(100, photos.with_name("in_x4"))
    with pytest.raises(DiskError, match="are needed"):
        list(events_of(photos))
    assert not photos.with_name("in_x4").exists()


def test_a_disk_too_small_for_a_later_block_is_told_and_ends_the_batch(photos, small_disk):
    _, items, _ = run(photos, dry_run=True)
    each = items[0].output_bytes
    small_disk(int(8 * each * disk.DISK_SHARE), photos.with_name("in_x4"))
    _, *others, summary = events_of(photos)
    assert "are needed" in next(one.text for one in others if isinstance(one, Remark))
    done = [one for one in others if isinstance(one, Item)]
    assert {one.status for one in done} == {"done"}
    assert 4 <= len(done) < COUNT
    assert counted(summary) == (len(done), 0, 0, COUNT - len(done), 3)
    assert "are needed" in summary.stopped
    assert "what is left was not tried" in summary.stopped


def test_a_dry_run_tells_of_each_and_at_last_that_the_disk_is_too_small(photos, small_disk):
    plan, items, summary = run(photos, dry_run=True)
    assert {item.status for item in items} == {"planned"}
    assert counted(summary)[3:] == (0, 0)
    whole, _, end = run(photos, WHOLE, dry_run=True)
    assert summary.planned == whole
    assert end.planned is None
    assert plan.bytes_estimate == pytest.approx(whole.bytes_estimate, rel=0.1)
    small_disk(int(8 * items[0].output_bytes * disk.DISK_SHARE), photos.with_name("in_x4"))
    _, items, summary = run(photos, dry_run=True)
    assert len(items) == COUNT
    assert (summary.left, summary.exit_code) == (0, 3)


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
