"""What of a video was finished earlier is used again when it fits, and only then."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from clips import Clip, finished_steps, look, unfinished
from PIL import Image

from esc_cli.engine.options import EngineOptions
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.events import Item, Progress, Remark, Summary
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.run import upscale

FRAMES = 50
DEFAULTS = EngineOptions()
VIDEO = VideoOptions(codec="ffv1", segment_frames=4)
LOSSY = VideoOptions(segment_frames=4)  # H.264


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """(a clip, what an uninterrupted run makes of it)."""
    folder = tmp_path_factory.mktemp("resume")
    clip = Clip(frames=FRAMES, size=(48, 32), audio=("eng",)).write(folder / "clip.mkv")
    finish(clip, "whole.mkv")
    return clip, look(clip.with_name("whole.mkv"))


@pytest.fixture
def clip(reference, tmp_path):
    return Path(shutil.copy(reference[0], tmp_path))


@pytest.fixture
def whole(reference):
    return reference[1]


def events_of(clip, name, stop=None, video=VIDEO, engine=DEFAULTS):
    stop = Stop() if stop is None else stop  # one that was not asked to stop is falsy
    output = str(clip.with_name(name))
    return upscale(UpscaleOptions((str(clip),), output=output, video=video, engine=engine), stop)


def finish(clip, name, **options):
    *_, item, summary = events_of(clip, name, **options)
    assert summary.exit_code == 0, item.reason
    return item


def folder_of(clip, name):
    return unfinished(clip.with_name(name))


def segments(clip, name):
    return finished_steps(clip.with_name(name))


class StopAt(Stop):
    """Time that is up as soon as so many segments are finished."""

    def __init__(self, clip, name, count):
        super().__init__()
        self.finished = lambda: len(segments(clip, name)) >= count

    @property
    def is_due(self):
        return self.finished()


def start(clip, name, count=2, video=VIDEO):
    """Run until so many segments are finished, perhaps some more, then leave."""
    *_, summary = events_of(clip, name, StopAt(clip, name, count), video)
    assert summary.exit_code == 75
    assert count <= len(segments(clip, name)) < FRAMES / 4
    assert not clip.with_name(name).exists()
    return {path.name: path.read_bytes() for path in segments(clip, name)}


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
    options = UpscaleOptions(
        (str(clip),), output=str(clip.with_name("out.mkv")), video=VIDEO, provenance=True
    )
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


OTHER = VideoOptions(codec="ffv1", pix_fmt="yuv444p", segment_frames=4)


def reasons_of(events):
    """(how many segments are not used, why) of each remark."""
    found = (re.match(r"(\d+) finished .* not used: ([^;]*); kept", t) for t in remarks_of(events))
    return [(int(match[1]), match[2]) for match in found]


def test_segments_of_other_settings_are_not_used_and_kept_until_their_own_result(clip, whole):
    count = len(start(clip, "out.mkv"))
    kept = folder_of(clip, "out.mkv")
    events = list(events_of(clip, "out.mkv", video=OTHER))
    assert reasons_of(events) == [(count, "the settings changed")]
    (told,) = remarks_of(events)
    assert re.search(r"\(\d+\.\d MB, codec ffv1, segment-frames 4\)", told)
    finish(clip, "reference.mkv", video=OTHER)
    assert look(clip.with_name("out.mkv")) == look(clip.with_name("reference.mkv"))
    assert [path.name for path in kept.parent.iterdir() if path.is_dir()] == [kept.name]
    shown = [event for event in events_of(clip, "out.mkv") if isinstance(event, Progress)]
    assert shown[0].done - shown[0].done_now == 4 * count
    assert look(clip.with_name("out.mkv")) == whole
    assert not kept.parent.exists()


def test_segments_of_other_settings_go_when_that_is_asked(clip):
    start(clip, "out.mkv")
    kept = folder_of(clip, "out.mkv")
    events = list(events_of(clip, "out.mkv", video=replace(OTHER, discard_unfinished=True)))
    assert remarks_of(events) == []
    assert not kept.parent.exists()


def test_they_go_as_well_when_the_result_stands_already(clip):
    finish(clip, "out.mkv", video=OTHER)
    start(clip, "copy.mkv")
    home = clip.with_name(".copy.mkv.esc-segments")
    home.rename(clip.with_name(".out.mkv.esc-segments"))
    asked = replace(OTHER, discard_unfinished=True)
    *_, item, _ = events_of(clip, "out.mkv", video=asked)
    assert item.status == "skipped"
    assert not clip.with_name(".out.mkv.esc-segments").exists()


@pytest.mark.parametrize("key", ["libraries", "weights", "version"])
def test_segments_made_with_other_versions_are_kept_apart(clip, whole, key):
    """As if PyTorch, the weights or esc had changed in between."""
    count = len(start(clip, "out.mkv"))
    kept = folder_of(clip, "out.mkv")
    journal = kept / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_bytes().split(b"\n") if line]
    lines[0]["fingerprint"][key] = "another"
    journal.write_bytes(b"\n".join(json.dumps(line).encode() for line in lines) + b"\n")
    kept = kept.rename(kept.with_name("earlier"))
    ((number, reason),) = reasons_of(events_of(clip, "out.mkv"))
    assert number == count
    assert reason.endswith(" changed")
    assert look(clip.with_name("out.mkv")) == whole
    assert len(list(kept.glob("*.segment"))) == count


def test_segments_of_another_source_are_not_used_and_go_with_the_next_result(clip):
    count = len(start(clip, "out.mkv"))
    Clip(frames=9, size=(48, 32), seeds=[50] * 9).write(clip)
    assert reasons_of(events_of(clip, "out.mkv")) == [(count, "the input changed")]
    finish(clip, "reference.mkv")
    assert look(clip.with_name("out.mkv")) == look(clip.with_name("reference.mkv"))
    assert len(look(clip.with_name("out.mkv")).pts_s) == 9
    assert not clip.with_name(".out.mkv.esc-segments").exists()


def settle(clip, name, **values):
    """Make the journal say that the run that was left had other settings; all of them."""
    journal = folder_of(clip, name) / "journal.jsonl"
    lines = [json.loads(line) for line in journal.read_bytes().split(b"\n") if line]
    lines[0]["settled"] |= values
    journal.write_bytes(b"\n".join(json.dumps(line).encode() for line in lines) + b"\n")
    return lines[0]["settled"]


def remarks_of(events):
    return [event.text for event in events if isinstance(event, Remark)]


def test_what_the_first_run_settled_holds_for_those_that_follow(clip):
    start(clip, "out.mkv")
    settled = settle(clip, "out.mkv", batch=1, threads=3, tile=32)
    journal = folder_of(clip, "out.mkv") / "journal.jsonl"
    events = list(events_of(clip, "out.mkv", StopAt(clip, "out.mkv", 5)))
    assert remarks_of(events) == []
    assert json.loads(journal.read_bytes().split(b"\n")[0])["settled"] == settled
    assert (settled["device"], settled["precision"]) == ("cpu", "fp32")
    assert finish(clip, "out.mkv").tile == 32


def test_a_run_that_goes_on_makes_tiles_as_the_first_did_whatever_memory_is_free(clip, whole):
    *_, item, _ = events_of(clip, "tiled.mkv", engine=EngineOptions(tile=32))
    tiled = look(clip.with_name("tiled.mkv")).hashes
    assert item.tile == 32
    assert tiled != whole.hashes
    done = len(start(clip, "out.mkv")) * VIDEO.segment_frames
    settle(clip, "out.mkv", tile=32)
    finish(clip, "out.mkv")
    expected = whole.hashes[:done] + tiled[done:]
    assert look(clip.with_name("out.mkv")).hashes == expected


@pytest.mark.parametrize(
    ("earlier", "place"),
    [({"precision": "bf16"}, "cpu in bf16"), ({"device": "cuda (X)"}, "cuda (X) in fp32")],
)
def test_segments_of_another_device_or_precision_are_done_again(clip, whole, earlier, place):
    count = len(start(clip, "out.mkv"))
    settle(clip, "out.mkv", **earlier)
    *others, summary = events_of(clip, "out.mkv")
    assert summary.exit_code == 0
    reason = f"they were made on {place}, and this run is on cpu in fp32"
    assert reasons_of(others) == [(count, reason)]
    assert look(clip.with_name("out.mkv")) == whole


def test_segments_made_with_more_memory_than_there_is_are_done_again(clip, whole):
    count = len(start(clip, "out.mkv"))
    settle(clip, "out.mkv", batch=10**9)
    *others, summary = events_of(clip, "out.mkv")
    assert summary.exit_code == 0
    reason = "they were made with whole frames, for which there is no memory now"
    assert reasons_of(others) == [(count, reason)]
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
