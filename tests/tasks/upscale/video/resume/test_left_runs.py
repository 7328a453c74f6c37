"""A run that was left goes on with the whole segments that it finished."""

from __future__ import annotations

import re

import pytest
from clips import look
from left_runs import FRAMES, VIDEO, events_of, finish, folder_of, remarks_of, segments, start
from networks import small_checkpoint
from PIL import Image

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

LOSSY = VideoOptions(segment_frames=4)  # H.264


def test_leaving_a_run_at_any_moment_leaves_whole_segments_only(clip, whole):
    events = events_of(clip, "out.mkv")
    next(event for event in events if isinstance(event, Progress))
    events.close()
    assert not list(folder_of(clip, "out.mkv").glob("*.esc-part"))
    finish(clip, "out.mkv")
    assert look(clip.with_name("out.mkv")) == whole


def test_a_run_that_was_left_goes_on(clip, whole):
    start(clip, "out.mkv")
    *events, item, _ = events_of(clip, "out.mkv")
    assert remarks_of(events) == []
    assert look(clip.with_name("out.mkv")) == whole
    assert item.frames == FRAMES
    assert not list(clip.parent.glob(".out.mkv.*"))


def test_what_is_written_beside_the_frames_is_no_reason_to_do_them_again(clip, whole):
    before = start(clip, "out.mkv")
    output, model = str(clip.with_name("out.mkv")), small_checkpoint()
    options = UpscaleOptions((str(clip),), output, model=model, video=VIDEO, provenance=True)
    events = list(upscale(options, Stop()))
    assert remarks_of(events) == []
    assert min(e.done - e.done_now for e in events if isinstance(e, Progress)) >= 4 * len(before)
    assert look(clip.with_name("out.mkv")).hashes == whole.hashes


def test_a_damaged_last_segment_is_named_alone(clip, whole):
    before = start(clip, "out.mkv")
    segments(clip, "out.mkv")[-1].write_bytes(b"damaged")
    said = f"finished segment {len(before)} is damaged or missing: it will be done again"
    assert remarks_of(events_of(clip, "out.mkv")) == [said]
    assert look(clip.with_name("out.mkv")) == whole


def test_a_run_in_h264_that_was_left_ends_with_the_same_pictures(clip):
    start(clip, "out.mkv", video=LOSSY)
    finish(clip, "out.mkv", video=LOSSY)
    finish(clip, "whole.mkv", video=LOSSY)
    assert look(clip.with_name("out.mkv")) == look(clip.with_name("whole.mkv"))


def test_only_what_is_missing_goes_through_the_network(clip):
    start(clip, "out.mkv", 4)
    shown = [event for event in events_of(clip, "out.mkv") if isinstance(event, Progress)]
    assert shown[0].done - shown[0].done_now >= 16
    assert shown[0].total == FRAMES


@pytest.mark.parametrize("damage", ["flip", "cut", "missing"])
def test_a_damaged_segment_is_done_again_alone(clip, whole, damage):
    before = start(clip, "out.mkv", 3)
    second = segments(clip, "out.mkv")[1]
    content = bytearray(before[second.name])
    content[-1] ^= 1
    if damage == "missing":
        second.unlink()
    else:
        second.write_bytes(content if damage == "flip" else content[:-5])
    events = list(events_of(clip, "out.mkv"))
    shown = [event for event in events if isinstance(event, Progress)]
    assert shown[0].done - shown[0].done_now == 4 * (len(before) - 1)
    said = "finished segment 2 is damaged or missing: it will be done again"
    assert remarks_of(events) == [said]
    assert look(clip.with_name("out.mkv")) == whole


@pytest.mark.parametrize("tail", [b'{"segment": {"num', b"\0\0\0", b"\xff\xfe\n\n"])
def test_a_journal_whose_last_line_was_cut_short_is_good_up_to_there(clip, whole, tail):
    start(clip, "out.mkv", 2)
    journal = folder_of(clip, "out.mkv") / "journal.jsonl"
    journal.write_bytes(journal.read_bytes() + tail)
    finish(clip, "out.mkv")
    assert look(clip.with_name("out.mkv")) == whole


def test_a_segment_that_no_line_names_is_done_again(clip, whole):
    """Killed between the rename of a segment and its line in the journal."""
    start(clip, "out.mkv", 3)
    journal = folder_of(clip, "out.mkv") / "journal.jsonl"
    lines = [line for line in journal.read_bytes().split(b"\n") if line]
    journal.write_bytes(b"\n".join(lines[:2]) + b"\n")
    shown = [event for event in events_of(clip, "out.mkv") if isinstance(event, Progress)]
    assert shown[0].done - shown[0].done_now == 4
    assert look(clip.with_name("out.mkv")) == whole


def test_the_deadline_stops_at_a_segment_and_says_how_much_is_left(clip, whole):
    stop, summary = Stop(), None
    for event in events_of(clip, "out.mkv", stop):
        if isinstance(event, Progress):
            stop.limit(0)
        summary = event
    assert isinstance(summary, Summary)
    assert summary.exit_code == 75
    left = int(re.search(rf"about (\d+) of {FRAMES} frames left", summary.stopped)[1])
    assert left == FRAMES - 4 * len(segments(clip, "out.mkv"))
    assert 0 < left < FRAMES
    finish(clip, "out.mkv")
    assert look(clip.with_name("out.mkv")) == whole


def test_the_deadline_stops_a_batch_of_pictures_between_two(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    stop, events = Stop(), []
    for event in upscale(UpscaleOptions((str(folder),)), stop):
        events.append(event)
        if isinstance(event, Item):
            stop.limit(0)
    summary = events[-1]
    assert (summary.exit_code, summary.failed) == (75, 0)
    assert 1 <= summary.done < 8
    assert summary.done + summary.left == 8
    *_, summary = upscale(UpscaleOptions((str(folder),)), Stop())
    assert summary.exit_code == 0
    assert summary.done + summary.skipped == 8


def test_a_video_of_the_longest_name_goes_on_too(clip, whole):
    name = "n" * 251 + ".mkv"

    class Soon(Stop):
        @property
        def is_due(self):
            return len(list(clip.parent.glob(".n*.esc-segments/*/*.segment"))) >= 2

    *_, summary = events_of(clip, name, Soon())
    assert summary.exit_code == 75
    finished = [path.stat().st_mtime_ns for path in clip.parent.glob(".n*/*/*.segment")]
    assert len(finished) >= 2
    *events, _, summary = events_of(clip, name)
    assert summary.exit_code == 0
    assert remarks_of(events) == []
    assert look(clip.with_name(name)) == whole
    assert not list(clip.parent.glob(".n*"))
