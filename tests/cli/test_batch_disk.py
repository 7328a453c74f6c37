"""Output folders that cannot be written and disks that fill up: exit code 3, nothing half done."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace

import numpy as np
import pytest
from clips import Clip, finished_steps, look
from PIL import Image

from esc_cli.cli import upscale_run
from esc_cli.errors import DiskError
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.options import Target, UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale


def noise(path, seed, side=48):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(values).save(path)


@pytest.fixture
def photos(tmp_path):
    for number in range(10):
        noise(tmp_path / "in" / f"{number}.png", number)
    return tmp_path / "in"


@pytest.fixture
def small_disk(disk_of):
    """A file system of one megabyte."""
    return disk_of("1m")


@pytest.mark.parametrize("output", ["file/out", "file/out/a.png", "/proc/nothing/out"])
def test_a_folder_that_cannot_be_made_is_found_before_work(photos, esc, output):
    (photos.parent / "file").write_text("in the way")
    ran = esc("in/1.png", "-o", output, cwd=photos.parent)
    assert ran.code == 3, ran.err
    assert len(ran.err.splitlines()) == 1
    assert (photos.parent / "file").read_text() == "in the way"


def test_too_little_space_is_found_before_work(photos, esc, small_disk):
    for number in range(10, 40):
        noise(photos / f"{number}.png", number)
    ran = esc(photos, "-o", small_disk / "out")
    assert ran.code == 3
    assert len(ran.lines_naming("are free")) == 1
    assert list(small_disk.iterdir()) == []


def fill(disk, leave):
    """Use up the disk but for about `leave` bytes, or all if the batch is quicker than this."""
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_bsize
    with contextlib.suppress(OSError):
        (disk / "fill").write_bytes(bytes(max(0, free - leave)))


@pytest.mark.slow
def test_a_disk_that_fills_up_in_the_middle(tmp_path, esc, small_disk, contents, monkeypatch):
    photos = tmp_path / "many"  # more than are ever at work at once, and small enough to fit
    for number in range(40):
        noise(photos / f"{number}.png", number, side=16)
    reference = photos.with_name("reference")
    assert esc(photos, "-o", reference).code == 0
    out = small_disk / "out"

    def filling(*arguments):
        """The batch, on a disk that somebody else fills up after its first result."""
        for event in upscale(*arguments):
            yield event
            if isinstance(event, Item) and not (small_disk / "fill").exists():
                fill(small_disk, 20_000)

    with monkeypatch.context() as patch:
        patch.setattr(upscale_run, "upscale", filling)
        ran = esc(photos, "-o", out)
    assert ran.code == 3
    assert ran.lines_naming("No space left")
    assert ran.lines_naming(" left in ")
    done = contents(out)
    assert done.items() <= contents(reference).items()  # no part, nothing half written
    assert len(done) == len(ran.out.splitlines())
    (small_disk / "fill").unlink()
    again = esc(photos, "-o", out)
    assert again.code == 0, again.err
    assert f"{40 - len(done)} done, {len(done)} skipped" in again.err
    assert contents(out) == contents(reference)


def test_a_record_that_did_not_fit_does_not_strand_its_output(photos, esc, small_disk, contents):
    """However little space is left, the next run with space completes the batch."""
    out = small_disk / "out"
    for leave in (0, 4096, 8192, 12_288, 16_384, 20_480):
        for number in range(3):
            noise(photos / f"{number}.png", number + leave)
        fill(small_disk, leave)
        command = (*(photos / f"{number}.png" for number in range(3)), "-o", out, "--scale", "1")
        ran = esc(*command)
        assert ran.code in (0, 3), ran.err
        assert not [name for name in contents(out) if "esc-part" in name] if out.exists() else True
        (small_disk / "fill").unlink()
        again = esc(*command)
        assert again.code == 0, again.err
        assert " 0 failed" in again.err


@pytest.mark.parametrize(("leave", "segments"), [(150_000, 9), (450_000, 10)])
def test_a_disk_that_fills_up_in_the_middle_of_a_video(tmp_path, small_disk, leave, segments):
    """Among the segments, and in the join: the input is small, so that nobody sees it coming."""
    clip = Clip(frames=30, size=(160, 120), options={"crf": "35"}).write(tmp_path / "clip.mkv")
    out = small_disk / "out.mkv"
    options = UpscaleOptions(
        (str(clip),),
        output=str(out),
        target=Target(1),
        video=VideoOptions(codec="ffv1", segment_frames=3),
    )
    fill(small_disk, leave)
    *_, item, summary = upscale(options, Stop())
    assert summary.exit_code == 3
    assert "No space left" in item.reason
    assert not out.exists()
    kept = len(finished_steps(out))
    assert 0 < kept <= segments
    assert not list(small_disk.rglob("*.esc-part"))
    (small_disk / "fill").unlink()
    *_, item, summary = upscale(options, Stop())
    assert summary.exit_code == 0, item.reason
    assert len(look(out).pts_s) == 30


@pytest.mark.slow
def test_room_for_frames_on_the_way_is_needed_for_one_video_at_a_time(tmp_path, disk_of):
    for number in range(8):
        Clip(frames=10, size=(640, 360)).write(tmp_path / "in" / f"{number}.mkv")
    out = disk_of("4m") / "out"
    options = UpscaleOptions((str(tmp_path / "in"),), output=str(out), target=Target(1))
    planned = next(upscale(options, Stop()))
    assert planned.to_do == 8
    larger = replace(options, output=str(disk_of("1m") / "out"), target=Target(2))
    with pytest.raises(DiskError, match="MB are needed"):
        next(upscale(larger, Stop()))
