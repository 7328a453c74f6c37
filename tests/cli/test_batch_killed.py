"""Killed or stopped at any moment: only whole outputs, and the next run completes the rest."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow

COUNT = 30
KILLS = 8
SEED = 20


def noise(path, seed):
    """A picture that does not compress, so that writing it takes a moment."""
    values = np.random.default_rng(seed).integers(0, 256, (56, 56, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values).save(path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed") / "in"
    for number in range(COUNT):
        noise(folder / f"sub{number % 3}" / f"{number:02}.png", number)
    return folder


@pytest.fixture(scope="module")
def whole(photos, esc, contents):
    """(the outputs of an uninterrupted run, its seconds, its seconds before the first output)."""
    start = time.monotonic()
    process = esc.start(photos, "-o", photos.with_name("whole"))
    process.stdout.readline()
    first_s = time.monotonic() - start
    out, err = process.communicate(timeout=120)
    assert esc.ended(process.returncode, out, err).code == 0
    return contents(photos.with_name("whole")), time.monotonic() - start, first_s


def parts_below(folder):
    return list(folder.rglob(".*.esc-part")) if folder.exists() else []


def check_outputs(folder, reference, contents):
    """Every file under a final name has the reference's bytes; return their number."""
    found = contents(folder) if folder.exists() else {}
    found = {name: content for name, content in found.items() if not name.endswith(".esc-part")}
    assert found.items() <= reference.items()
    return len(found)


def test_after_sigkill_at_any_moment_only_whole_outputs_stand(photos, whole, esc, contents):
    reference, total_s, first_s = whole
    output, moments = photos.with_name("killed"), random.Random(SEED)
    done = []
    for _ in range(KILLS):
        process = esc.start(photos, "-o", output)
        # Most moments fall into the writing of outputs, a few into the start.
        wait = moments.uniform(0.8 * first_s, first_s + (total_s - first_s) / 5)
        try:
            process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        done.append(check_outputs(output, reference, contents))
    assert done == sorted(done)  # what was finished stays
    assert done[-1] > 0
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*.png")}
    ran = esc(photos, "-o", output)
    assert ran.code == 0, ran.err
    assert f"{COUNT - len(before)} done, {len(before)} skipped, 0 failed" in ran.err
    assert contents(output) == reference
    assert all(path.stat().st_mtime_ns == time_ns for path, time_ns in before.items())
    assert parts_below(output) == []


def test_a_part_of_a_dead_process_is_removed_by_the_next_run(photos, whole, esc, contents, killed):
    output = photos.with_name("stale")
    for number in range(1, 30):
        assert killed(number, output, photos, "-o", output) == -signal.SIGKILL
        if parts := parts_below(output):
            break
    mine = parts[0].with_name(re.sub(r"-\d+-", f"-{os.getpid()}-", parts[0].name))
    mine.write_bytes(b"another running process writes this")
    ran = esc(photos, "-o", output)
    assert ran.code == 0, ran.err
    assert parts_below(output) == [mine]
    mine.unlink()
    assert contents(output) == whole[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_finishes_the_item_in_hand_and_prints_the_summary(
    photos, whole, esc, contents, number, code
):
    output = photos.with_name(f"signal{code}")
    process = esc.start(photos, "-o", output)
    first = process.stdout.readline() + process.stdout.readline()
    process.send_signal(number)
    start = time.monotonic()
    out, err = process.communicate(timeout=60)
    ran = esc.ended(process.returncode, first + out, err)
    assert ran.code == code
    assert time.monotonic() - start < 10
    done = check_outputs(output, whole[0], contents)
    assert 2 <= done < COUNT
    assert len(ran.out.splitlines()) == done
    assert f"{done} done, 0 skipped, 0 failed, {COUNT - done} left" in ran.err
    assert parts_below(output) == []
    again = esc(photos, "-o", output)
    assert again.code == 0
    assert f"{COUNT - done} done, {done} skipped" in again.err
    assert contents(output) == whole[0]


def test_a_signal_before_the_first_picture_stops_too(photos, whole, esc):
    process = esc.start(photos, "-o", photos.with_name("early"))
    time.sleep(0.6 * whole[2])
    process.send_signal(signal.SIGTERM)
    _out, err = process.communicate(timeout=60)
    assert process.returncode in (143, -signal.SIGTERM)
    assert b"Traceback" not in err


def test_a_second_sigint_ends_at_once(tmp_path, esc):
    noise(tmp_path / "in" / "a.png", 1)
    large = np.random.default_rng(2).integers(0, 256, (700, 700, 3), np.uint8)
    Image.fromarray(large).save(tmp_path / "in" / "b.png")
    process = esc.start("in", "--tile", "whole", cwd=tmp_path)
    deadline = time.monotonic() + 60
    while not (tmp_path / "in_x4" / "a.png").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.3)  # now the network works on the large picture, which takes seconds
    assert process.poll() is None
    start = time.monotonic()
    while process.poll() is None and time.monotonic() - start < 1.5:
        process.send_signal(signal.SIGINT)  # again, since two that arrive together are one
        time.sleep(0.002)
    _, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 1.5
    assert process.returncode == -signal.SIGINT
    assert b"Traceback" not in err
    assert not (tmp_path / "in_x4" / "b.png").exists()
