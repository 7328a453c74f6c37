"""A large batch ends in a later block as it would in the first: what is left was not tried."""

import pytest
from block_runs import WHOLE, counted, events_of, pictures, run
from clips import Clip

from esc_cli.errors import DiskError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale import disk
from esc_cli.tasks.upscale.events import Item, Remark
from esc_cli.tasks.upscale.options import VideoOptions

COUNT = 14


@pytest.fixture
def photos(tmp_path):
    return pictures(tmp_path / "in", COUNT)


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


def test_an_error_of_all_that_comes_up_in_a_later_block_ends_the_batch(photos):
    Clip(frames=3).write(photos / "12a.mkv")
    _, items, summary = run(photos, video=VideoOptions(hwaccel="none"))
    assert {item.status for item in items} == {"done"}
    assert counted(summary) == (len(items), 0, 0, COUNT + 1 - len(items), 2)
    assert 4 < len(items) < COUNT
    assert "--hwaccel 'none' is not known" in summary.stopped
    assert "what is left was not tried" in summary.stopped


def test_a_folder_of_results_that_cannot_be_made_in_a_later_block_ends_the_batch(photos):
    pictures(photos / "sub", 2)
    photos.with_name("in_x4").mkdir()
    (photos.with_name("in_x4") / "sub").write_text("in the way")
    _, items, summary = run(photos)
    assert {item.status for item in items} == {"done"}
    assert counted(summary) == (len(items), 0, 0, COUNT + 2 - len(items), 3)
    assert len(items) >= COUNT - 2
    assert "cannot be written to" in summary.stopped
