"""--max-memory refuses by name what would take more, before the network works; --nice."""

from __future__ import annotations

import sys
from zipfile import ZipFile

import psutil
import pytest
from clips import Clip


@pytest.mark.parametrize("extra", [(), ("--dry-run",)])
def test_an_input_that_would_take_more_memory_fails_by_name(tmp_path, esc, draw, extra):
    draw(tmp_path / "in" / "large.png", size=(300, 200))
    draw(tmp_path / "in" / "small.png")
    ran = esc(tmp_path / "in", "--max-memory", "1M", *extra)
    assert ran.code == 1
    (line,) = ran.lines_naming("failed: ")
    assert "large.png" in line
    assert "more than the limit of 1.0 MiB (raise it with --max-memory" in line
    assert (tmp_path / "in_x4" / "small.png").exists() != bool(extra)
    assert not (tmp_path / "in_x4" / "large.png").exists()


def test_what_is_finished_is_skipped_whatever_it_would_take(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    assert esc(tmp_path / "in").code == 0
    again = esc(tmp_path / "in", "--max-memory", "1k")
    assert again.code == 0
    assert "0 done, 1 skipped, 0 failed" in again.err


def test_pictures_of_archives_and_pipes_have_the_same_limit(tmp_path, esc, draw):
    path = draw(tmp_path / "a.png", size=(300, 200))
    with ZipFile(tmp_path / "book.cbz", "w") as archive:
        archive.write(path, "page.png")
    ran = esc(tmp_path / "book.cbz", "--max-memory", "1M")
    assert ran.code == 1
    assert "page.png" in ran.err
    assert "--max-memory" in ran.err
    piped = esc("-", "--max-memory", "1M", input=path.read_bytes())
    assert (piped.code, piped.raw_out) == (1, b"")
    assert "--max-memory" in piped.err


@pytest.mark.parametrize("text", ["", "0", "much", "4X", "-1G", "0.0001"])
def test_what_is_no_size_of_memory_is_wrong_usage(tmp_path, esc, draw, text):
    ran = esc(draw(tmp_path / "a.png"), f"--max-memory={text}")
    assert ran.code == 2
    assert "--max-memory" in ran.err


@pytest.mark.parametrize("text", ["64M", "64 MiB", "0.0625g", "65536k", "67108864"])
def test_sizes_of_memory_have_the_usual_units(text):
    from esc_cli.cli.parsing import byte_count

    assert byte_count(text, "--max-memory") == 2**26


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks a process that has ended")
def test_a_nice_batch_gives_way_to_others(tmp_path, esc, draw):
    draw(tmp_path / "in" / "a.png")
    process = esc.start("in", "--nice", "7", cwd=tmp_path)
    assert process.stdout.readline()  # it is at work, or has ended and waits to be asked
    priority = psutil.Process(process.pid).nice()
    out, err = process.communicate(timeout=120)
    assert esc.ended(process.returncode, out, err).code == 0
    assert priority == min(19, psutil.Process().nice() + 7)


@pytest.mark.slow
def test_a_video_takes_what_its_frames_on_the_way_take(tmp_path, esc):
    clip = Clip(frames=2, size=(320, 240)).write(tmp_path / "a.mp4")
    frames = 7 * (320 * 240 + 640 * 480) * 3
    assert esc(clip, "--dry-run", "--max-memory", f"{frames}").code == 1
    assert esc(clip, "--dry-run", "--max-memory", f"{2 * frames}").code == 0
