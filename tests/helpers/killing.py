"""Runs of the command that get a SIGKILL before a step that a test names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from command import ROOT

# The real command in a process of its own, which gets a SIGKILL before its n-th change of a name or
# opening of a file for writing, below a folder. They are forked from one that has imported all.
_KILLED = """
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


@contextmanager
def killed_runs() -> Iterator[Callable[..., int]]:
    """How `esc upscale` ends that is killed before its change of this number below a folder."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", _KILLED]
    with subprocess.Popen(command, env=environment, **pipes) as process:

        def run(number, folder, *words):
            asked = json.dumps([number, str(folder), [str(word) for word in words]])
            process.stdin.write(f"{asked}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield run
        process.stdin.close()
