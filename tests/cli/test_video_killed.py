"""A video that is killed or stopped goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import json
import random
import re
import signal
import time

import pytest
from clips import Clip, look

FRAMES = 48
SEGMENT = "6"
KILLS = 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    seeds = [n - n % 5 % 2 for n in range(FRAMES)]
    clip = Clip(frames=FRAMES, size=(96, 64), audio=("eng", "ger"), chapters=True, seeds=seeds)
    return clip.write(folder / "clip.mkv")


@pytest.fixture(scope="module")
def whole(clip, esc):
    """(what an uninterrupted run gives, its seconds)."""
    start = time.monotonic()
    target = clip.with_name("whole.mkv")
    ran = esc(clip, "-o", target, "--segment-frames", SEGMENT)
    assert ran.code == 0, ran.err
    return look(target), time.monotonic() - start


def segments_of(output):
    return sorted(output.with_name(f".{output.name}.esc-segments").glob("*.segment"))


def wait_for(condition, process):
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def test_after_three_sigkills_the_result_is_that_of_an_uninterrupted_run(clip, whole, esc):
    output, moments = clip.with_name("killed.mkv"), random.Random(7)
    command = (clip, "-o", output, "--segment-frames", SEGMENT)
    kept = []
    for number in range(1, KILLS + 1):
        process = esc.start(*command)
        wait_for(lambda n=number: len(segments_of(output)) > n, process)
        time.sleep(moments.uniform(0, 0.1))
        process.kill()
        process.communicate()
        assert not output.exists()
        kept.append({path.name: path.stat().st_mtime_ns for path in segments_of(output)})
    ran = esc(*command)
    assert ran.code == 0, ran.err
    assert look(output) == whole[0]
    assert segments_of(output) == []
    journalled = min(len(kept[0]), len(kept[1])) - 1
    assert journalled > 0
    for name in sorted(kept[0])[:journalled]:  # what was finished is not done again
        assert kept[0][name] == kept[1][name] == kept[2][name]


def test_damaged_segments_are_done_again(clip, whole, esc):
    output = clip.with_name("damaged.mkv")
    process = esc.start(clip, "-o", output, "--segment-frames", SEGMENT)
    wait_for(lambda: len(segments_of(output)) > 3, process)
    process.kill()
    process.communicate()
    first, second, *_ = segments_of(output)
    content = bytearray(second.read_bytes())
    content[-1] ^= 1
    second.write_bytes(content)
    before = first.stat().st_mtime_ns
    process = esc.start(clip, "-o", output, "--segment-frames", SEGMENT)
    wait_for(lambda: len(segments_of(output)) > 2, process)
    assert first.stat().st_mtime_ns == before
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert look(output) == whole[0]


def test_segments_of_other_settings_or_of_another_source_are_not_used(clip, esc, tmp_path):
    source, output = tmp_path / "clip.mkv", tmp_path / "out.mkv"
    source.write_bytes(clip.read_bytes())
    process = esc.start(source, "-o", output, "--segment-frames", SEGMENT)
    wait_for(lambda: len(segments_of(output)) > 1, process)
    process.kill()
    process.communicate()
    Clip(frames=8, size=(96, 64), seeds=[40] * 8).write(source)
    ran = esc(source, "-o", output, "--segment-frames", SEGMENT)
    assert ran.code == 0, ran.err
    reference = tmp_path / "reference.mkv"
    assert esc(source, "-o", reference, "--segment-frames", SEGMENT).code == 0
    assert look(output) == look(reference)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_journal_to_go_on_from(clip, whole, esc, number, code):
    output = clip.with_name(f"signal{code}.mkv")
    process = esc.start(clip, "-o", output, "--segment-frames", SEGMENT)
    wait_for(lambda: len(segments_of(output)) > 1, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    ran = esc.ended(process.returncode, out, err)
    assert ran.code == code
    assert "0 done, 0 skipped, 0 failed, 1 left" in ran.err
    assert not output.exists()
    assert not list(output.parent.rglob("*.esc-part"))
    assert esc(clip, "-o", output, "--segment-frames", SEGMENT).code == 0
    assert look(output) == whole[0]


def test_the_deadline_stops_at_a_segment_and_the_next_run_goes_on(clip, whole, esc):
    output = clip.with_name("late.mkv")
    report = clip.with_name("late.jsonl")
    command = (clip, "-o", output, "--segment-frames", SEGMENT, "--report", report)
    for share in (0.6, 0.7, 0.8, 0.9):  # some run ends between its start and the last segment
        ran = esc(*command, "--max-minutes", str(share * whole[1] / 60))
        if ran.code == 0 or ran.lines_naming("frames left"):
            break
    assert ran.code == 75
    (line,) = ran.lines_naming("frames left")
    left = int(re.search(r"about (\d+) of", line)[1])
    assert left == FRAMES - int(SEGMENT) * len(segments_of(output))
    assert not output.exists()
    ran = esc(*command)
    assert ran.code == 0, ran.err
    assert look(output) == whole[0]
    item = json.loads(report.read_text().splitlines()[-1])
    assert item["frames"] == FRAMES


def test_the_deadline_stops_a_batch_of_pictures_between_two(esc, draw, tmp_path):
    for number in range(6):
        draw(tmp_path / "in" / f"{number}.png", number)
    ran = esc("in", "--max-minutes", "0.0001", cwd=tmp_path)
    assert ran.code == 75
    assert "6 left" in ran.err or "5 left" in ran.err
    assert esc("in", cwd=tmp_path).code == 0
    assert len(list((tmp_path / "in_x4").glob("*.png"))) == 6


def test_two_at_once_on_one_video_do_not_mix(clip, whole, esc):
    output = clip.with_name("twice.mkv")
    command = (clip, "-o", output, "--segment-frames", SEGMENT)
    first = esc.start(*command)
    wait_for(lambda: segments_of(output), first)
    second = esc(*command)
    assert second.code == 1
    assert "another esc works on this video" in second.err
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert look(output) == whole[0]
