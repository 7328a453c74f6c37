"""Segments of a run with other settings, of another source, device or version are not used."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from clips import Clip, look
from left_runs import VIDEO, StopAt, events_of, finish, folder_of, remarks_of, start

from esc_cli.engine.options import EngineOptions
from esc_cli.tasks.upscale.events import Progress
from esc_cli.tasks.upscale.options import VideoOptions

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


@pytest.mark.slow
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
