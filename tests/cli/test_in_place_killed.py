"""`--in-place`, killed before each of its steps: nothing is lost, and results are whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest
from clips import Clip
from command import ROOT

pytestmark = pytest.mark.slow

# The real command in a process of its own, which gets a SIGKILL before its n-th change of a name or
# opening of a file for writing, below a folder. They are forked from one that has imported all.
KILLED = """
import json, os, signal, sys
from esc_cli.cli import upscale_run
from esc_cli.cli.app import main
from esc_cli.engine import upscaler
def changes(event, args):
    if event == "open":
        return isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)
    return event in {"os.link", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime",
                     "os.chmod"}
def arm(number, folder):
    seen, pid = 0, os.getpid()
    def hook(event, args):
        nonlocal seen
        if not changes(event, args) or os.getpid() != pid:
            return
        if any(isinstance(one, (str, os.PathLike)) and os.fspath(one).startswith(folder)
               for one in args):
            seen += 1
            if seen == number:
                os.kill(pid, signal.SIGKILL)
    sys.addaudithook(hook)
for line in sys.stdin:
    number, folder, words = json.loads(line)
    pid = os.fork()
    if not pid:
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        sys.argv = ["esc", "upscale", *words]
        arm(number, folder)
        try:
            main()
        except SystemExit as end:
            os._exit(end.code or 0)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def killed():
    """How the command ends that is killed before its change of this number below a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", KILLED]
    with subprocess.Popen(command, env=environment, **pipes) as process:

        def run(number, folder, *words):
            asked = json.dumps([number, str(folder), [str(word) for word in words]])
            process.stdin.write(f"{asked}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()


def check(album, old, before, after):
    """Nothing is lost: the original at its place, or the result there and the original kept."""
    for name, original in before.items():
        found = (album / name).read_bytes()
        assert found in (original, after[name])
        kept = old / name
        assert not kept.exists() or kept.read_bytes() == original
        assert found == original or kept.exists()


# Matroska has a number drawn at random in each file.
@pytest.fixture(params=["a.png", "c.mp4"])
def make(request, draw):
    def made(folder):
        path = folder / "sub" / request.param
        path.parent.mkdir(parents=True)
        draw(path) if path.suffix == ".png" else Clip(frames=3).write(path)
        return folder

    return made


def test_killed_before_any_step_nothing_is_lost_and_the_next_run_completes_it(
    make, tmp_path, esc, contents, killed
):
    whole = make(tmp_path / "whole")
    before = contents(whole)
    assert esc(whole, "--in-place", "--backup", tmp_path / "whole-old", "-s", "2").code == 0
    after = contents(whole)
    kills = 0
    while True:
        here = tmp_path / f"killed{kills}"
        here.mkdir()
        album, old = make(here / "in"), here / "old"
        words = (album, "--in-place", "--backup", old, "-s", "2")
        code = killed(kills + 1, here, *words)
        check(album, old, before, after)
        again = esc(*words)
        assert again.code == 0, again.err
        assert contents(album) == after
        assert contents(old) == before
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills > 10


def test_killed_again_and_again_it_gets_to_its_end(make, tmp_path, contents, killed):
    album, old = make(tmp_path / "in"), tmp_path / "old"
    before = contents(album)
    words = (album, "--in-place", "--backup", old, "-s", "2")
    codes = [killed(number, tmp_path, *words) for number in (6, 8, 10, 12)]
    assert codes[0] == -signal.SIGKILL
    assert killed(10_000, tmp_path, *words) == 0
    assert contents(old) == before
    assert contents(album).keys() == before.keys()
    assert contents(album) != before
