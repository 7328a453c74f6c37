"""Standard input and output: pipes, readers that leave, full and closed streams."""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command import ROOT
from PIL import Image

pytestmark = pytest.mark.usefixtures("measured_processes")


def picture(content):
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


@pytest.fixture(scope="module")
def source(tmp_path_factory, draw):
    return draw(tmp_path_factory.mktemp("streams") / "a.png")


@pytest.fixture(scope="module")
def piped(esc, source):
    """The result of a picture from stdin to stdout."""
    ran = esc("-", input=source.read_bytes())
    assert ran.code == 0, ran.err
    return ran.raw_out


def test_a_picture_goes_through_a_pipe(piped):
    assert picture(piped).size == (48, 36)


def test_a_pipe_gives_the_pixels_of_a_file(piped, esc, source, tmp_path):
    assert esc(source, "-o", tmp_path / "b.png").code == 0
    assert picture(piped).tobytes() == picture((tmp_path / "b.png").read_bytes()).tobytes()
    to_stdout = esc(source, "-o", "-")
    assert picture(to_stdout.raw_out).tobytes() == picture(piped).tobytes()


def test_stdin_to_a_file_takes_its_format_from_the_name(esc, source, tmp_path):
    ran = esc("-", "-o", tmp_path / "b.jpg", input=source.read_bytes())
    assert ran.code == 0, ran.err
    assert picture((tmp_path / "b.jpg").read_bytes()).format == "JPEG"


def test_format_and_size_apply_to_pipes(esc, source):
    ran = esc("-", "--format", "webp", "--longest-side", "20", input=source.read_bytes())
    assert picture(ran.raw_out).format == "WEBP"
    assert picture(ran.raw_out).size == (20, 15)


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_bad_content_is_one_line_and_nothing_on_stdout(esc, content):
    ran = esc("-", input=content)
    assert ran.code == 1
    assert len(ran.err.splitlines()) == 1
    assert ran.raw_out == b""


@pytest.mark.parametrize("arguments", [["-", "a.png"], ["-", "-", "a.png"]])
def test_a_stream_beside_other_inputs_is_wrong_usage(esc, arguments, source):
    ran = esc(*arguments, input=source.read_bytes(), cwd=source.parent)
    assert ran.code == 2


def test_a_folder_to_stdout_is_refused(esc, source):
    ran = esc(source.parent, "-o", "-")
    assert ran.code in (1, 2)
    assert ran.raw_out == b""


def test_stdin_never_overwrites_a_foreign_file(esc, source, tmp_path):
    (tmp_path / "precious.png").write_bytes(b"precious")
    ran = esc("-", "-o", tmp_path / "precious.png", input=source.read_bytes())
    assert ran.code == 1
    assert len(ran.lines_naming("precious.png: ")) == 1
    assert (tmp_path / "precious.png").read_bytes() == b"precious"
    options = ["-o", tmp_path / "precious.png", "--existing", "overwrite"]
    assert esc("-", *options, input=source.read_bytes()).code == 0
    assert picture((tmp_path / "precious.png").read_bytes()).size == (48, 36)


def test_a_dry_run_of_a_pipe_writes_nothing(esc, source, tmp_path):
    ran = esc("-", "-n", "-o", tmp_path / "b.png", input=source.read_bytes())
    assert ran.code in (0, 2)
    assert not (tmp_path / "b.png").exists()


def test_a_report_of_a_pipe_is_written_or_refused(esc, source, tmp_path):
    report = tmp_path / "r.jsonl"
    ran = esc("-", "--report", report, input=source.read_bytes())
    assert ran.code == 2 or [json.loads(line) for line in report.read_text().splitlines()]


def test_a_file_named_dash_is_reached_by_its_folder(esc, source, tmp_path):
    (tmp_path / "-").write_bytes(source.read_bytes())
    ran = esc("./-", "-o", "out", cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert picture((tmp_path / "out" / "-.png").read_bytes()).size == (48, 36)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_for_stdin(esc, number, code):
    fcntl, termios = (pytest.importorskip(name) for name in ("fcntl", "termios"))
    process = esc.start("-", stdin=subprocess.PIPE)
    process.stdin.write(b"begun")
    end = time.monotonic() + 60
    while struct.unpack("i", fcntl.ioctl(process.stdin, termios.FIONREAD, bytes(4))) != (0,):
        assert time.monotonic() < end
        time.sleep(0.01)
    time.sleep(0.1)
    process.send_signal(number)
    try:
        process.wait(timeout=5)
    finally:
        process.kill()
    assert process.returncode == code
    assert process.stderr.read() == f"error: stopped by signal {number}\n".encode()


AT_AN_IMPORT = """
import os, signal, sys

def look(event, arguments):
    if event == "import" and arguments[0] == os.environ["ESC_TEST_IMPORT"]:
        os.kill(os.getpid(), signal.SIGINT)

# What begins in the background has SIGINT ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.addaudithook(look)
"""


@pytest.mark.slow
@pytest.mark.parametrize("module", ["typer", "esc_cli.cli.upscale_run"])
def test_a_signal_while_the_command_starts_ends_it_at_once_without_a_word(esc, tmp_path, module):
    (tmp_path / "sitecustomize.py").write_text(AT_AN_IMPORT)
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    ran = esc("-", input=b"", env={"PYTHONPATH": paths, "ESC_TEST_IMPORT": module}, process=True)
    assert (ran.code, ran.out, ran.err) == (-signal.SIGINT, "", "")


def test_a_reader_that_leaves_is_no_traceback(esc, tmp_path, draw):
    for number in range(6):
        draw(tmp_path / "in" / f"{number}.png", number)
    process = esc.start("in", cwd=tmp_path)
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=60)
    ran = esc.ended(process.returncode, b"", err)
    assert ran.code in (0, 1, -signal.SIGPIPE)
    assert "Exception ignored" not in ran.err


def test_a_picture_for_a_reader_that_left_is_no_traceback(esc, source):
    process = esc.start(source, "-o", "-")
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=60)
    ran = esc.ended(process.returncode, b"", err)
    assert ran.code == 1
    assert "Exception ignored" not in ran.err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_stdout_is_one_line(esc, source, tmp_path):
    with Path("/dev/full").open("wb") as full:
        ran = esc(source, "-o", tmp_path / "out", stdout=full)
    assert len(ran.lines_naming("stdout cannot be written")) == 1
    assert picture((tmp_path / "out" / "a.png").read_bytes()).size == (48, 36)


@pytest.mark.slow
@pytest.mark.parametrize("closed", [0, 1, 2])
def test_closed_streams_do_not_stop_a_batch(esc, source, tmp_path, closed):
    ran = esc(source, "-o", tmp_path / "out", preexec_fn=lambda: os.close(closed))
    assert ran.code == 0, ran.err
    assert picture((tmp_path / "out" / "a.png").read_bytes()).size == (48, 36)


@pytest.mark.slow
def test_an_ascii_terminal_shows_every_name(esc, tmp_path, draw):
    draw(tmp_path / "in" / "gr\u00fc\N{GRINNING FACE}.png")
    (tmp_path / "in" / "\u00e9.png").write_text("no picture")
    environment = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}
    ran = esc("in", cwd=tmp_path, env=environment)
    assert ran.code == 1
    assert "1 done, 0 skipped, 1 failed" in ran.err
    assert ran.raw_out.isascii()
    assert "/gr\\x" in ran.out


def on_a_terminal(esc, *words, cache, cwd):
    """(what a terminal on stderr is shown, the lines of stdout); the exit code was 0."""
    ours, theirs = os.openpty()
    variables = {"TERM": "xterm", "COLUMNS": "80", "XDG_CACHE_HOME": str(cache), "ESC_OFFLINE": ""}
    process = esc.start(*words, cwd=cwd, stderr=theirs, env=variables)
    os.close(theirs)
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    out = process.stdout.read().decode()
    assert process.wait(timeout=60) == 0
    assert b"Traceback" not in shown
    return shown, out.splitlines()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_terminal_gets_a_progress_bar_and_stdout_only_results(esc, tmp_path, draw):
    for number in range(3):
        draw(tmp_path / "in" / f"{number}.png", number)
    cache = tmp_path / "cache"
    shown, out = on_a_terminal(esc, "in", cache=cache, cwd=tmp_path)
    assert b"/3" in shown
    assert b"3 done" in shown
    assert [Path(line).name for line in out] == ["0.png", "1.png", "2.png"]
    assert b"esc weights pull esc@dflip" in shown  # once a day
    again, _out = on_a_terminal(esc, "in", "--existing", "overwrite", cache=cache, cwd=tmp_path)
    assert b"3 done" in again
    assert b"esc weights pull" not in again
