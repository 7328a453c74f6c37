"""A video that is killed or stopped goes on where it was, and ends as if nothing had happened."""

from __future__ import annotations

import random
import shutil
import signal
import time
from functools import cache

import pytest
from clips import Clip, finished_steps, look
from interlaced_clips import NTSC, Woven, interlaced, scene, telecined

pytestmark = pytest.mark.slow

FRAMES = 30
SEGMENT = "3"
KILLS = 3


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    seeds = [n - n % 5 % 2 for n in range(FRAMES)]
    clip = Clip(frames=FRAMES, size=(64, 48), audio=("eng", "ger"), chapters=True, seeds=seeds)
    return clip.write(folder / "clip.mkv")


@pytest.fixture(scope="module")
def whole_of(clip, esc):
    """What an uninterrupted run with a codec gives."""

    @cache
    def made(codec):
        target = clip.with_name(f"whole.{codec}.mkv")
        ran = esc(clip, "-o", target, "--codec", codec, "--segment-frames", SEGMENT)
        assert ran.code == 0, ran.err
        return look(target)

    return made


@pytest.fixture(scope="module")
def whole(whole_of):
    return whole_of("ffv1")


def wait_for(condition, process):
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


@pytest.mark.parametrize("codec", ["h264", "ffv1"])
def test_after_three_sigkills_the_result_is_that_of_an_uninterrupted_run(
    clip, whole_of, esc, codec
):
    output, moments = clip.with_name(f"killed.{codec}.mkv"), random.Random(7)
    command = (clip, "-o", output, "--codec", codec, "--segment-frames", SEGMENT)
    kept = []
    for number in range(1, KILLS + 1):
        process = esc.start(*command)
        wait_for(lambda n=number: len(finished_steps(output)) > n, process)
        time.sleep(moments.uniform(0, 0.03))
        process.kill()
        process.communicate()
        assert not output.exists()
        kept.append({path.name: path.stat().st_mtime_ns for path in finished_steps(output)})
    ran = esc(*command)
    assert ran.code == 0, ran.err
    assert look(output) == whole_of(codec)
    assert finished_steps(output) == []
    journalled = min(len(kept[0]), len(kept[1])) - 1
    assert journalled > 0
    for name in sorted(kept[0])[:journalled]:  # what was finished is not done again
        assert kept[0][name] == kept[1][name] == kept[2][name]


@pytest.mark.parametrize(
    ("content", "options"),
    [(interlaced, ("--deinterlace-rate", "field")), (telecined, ())],
)
def test_interlaced_videos_that_were_killed_end_the_same(tmp_path, esc, content, options):
    clip = Woven(rate=NTSC, options={"crf": "10", "x264-params": "tff=1"})
    path = clip.write(tmp_path / "clip.mkv", content(scene(), 50))
    common = (path, "-s", "1", "--segment-frames", SEGMENT, *options)
    whole, output = tmp_path / "whole.mkv", tmp_path / "killed.mkv"
    assert esc(*common, "-o", whole).code == 0
    for number in range(1, KILLS):
        process = esc.start(*common, "-o", output)
        wait_for(lambda n=number: len(finished_steps(output)) > n, process)
        process.kill()
        process.communicate()
    ran = esc(*common, "-o", output)
    assert ran.code == 0, ran.err
    assert look(output) == look(whole)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_journal_to_go_on_from(clip, whole, esc, number, code):
    output = clip.with_name(f"signal{code}.mkv")
    process = esc.start(clip, "-o", output, "--codec", "ffv1", "--segment-frames", SEGMENT)
    wait_for(lambda: len(finished_steps(output)) > 1, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    ran = esc.ended(process.returncode, out, err)
    assert ran.code == code
    assert "0 done, 0 skipped, 0 failed, 1 left" in ran.err
    assert not output.exists()
    assert not list(output.parent.rglob("*.esc-part"))
    if number == signal.SIGTERM:
        assert esc(clip, "-o", output, "--codec", "ffv1", "--segment-frames", SEGMENT).code == 0
        assert look(output) == whole


def test_the_deadline_ends_the_command_with_code_75(clip, esc):
    ran = esc(clip, "-o", clip.with_name("late.mkv"), "--max-minutes", "0.00001")
    assert ran.code == 75
    assert ran.lines_naming("the time is up")
    assert "0 done, 0 skipped, 0 failed, 1 left" in ran.err


def test_two_at_once_on_one_video_do_not_mix(clip, whole, esc):
    output = clip.with_name("twice.mkv")
    command = (clip, "-o", output, "--codec", "ffv1", "--segment-frames", SEGMENT)
    first = esc.start(*command)
    wait_for(lambda: finished_steps(output), first)
    first.send_signal(signal.SIGSTOP)
    second = esc(*command)
    first.send_signal(signal.SIGCONT)
    assert second.code == 1
    assert "another esc works on this video" in second.err
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert look(output) == whole


def test_two_at_once_whose_results_have_one_name_are_both_named(clip, esc, tmp_path):
    one, other = tmp_path / "clip.mkv", tmp_path / "clip.avi"
    shutil.copy(clip, one)
    Clip(frames=3, options={"bf": "0"}).write(other)
    output = tmp_path / "clip_x2.mkv"
    first = esc.start(one, "--segment-frames", SEGMENT)
    wait_for(lambda: len(finished_steps(output)) > 1, first)
    first.send_signal(signal.SIGSTOP)
    second = esc(other)
    first.kill()
    first.communicate(timeout=60)
    assert second.code == 1
    (line,) = second.lines_naming("failed: ")
    assert line.startswith(f"failed: {other}: another esc makes clip_x2.mkv from {one} now")
    (line,) = esc(other).lines_naming("note: ")
    assert f"not used: they are of {one}, whose output has the same name" in line
