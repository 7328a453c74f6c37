"""Processes of `esc` that are forked from one which has imported what all commands need.

Importing torch takes seconds of a processor, and what most tests of processes look at begins behind
it. A forked one is a process like any other: a child of the test's, with its own streams, folder,
environment and exit code. How the command starts is for `tests/test_cli_start.py`.
"""

from __future__ import annotations

import atexit
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

HELPERS = Path(__file__).parent
ROOT = HELPERS.parents[1]
LARGEST_REQUEST = 1 << 17
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_AT_IMPORT = ("PYTHON", "LD_", "OMP_", "MKL_", "MALLOC_", "CUDA_", "TORCH", "COVERAGE_")
"""How variables begin that are read before a process is asked for anything, or are not ours."""
_OPTIONS = {"stdin", "stdout", "stderr", "cwd", "bufsize", "text", "preexec_fn"}
"""What of `subprocess.Popen` a forked process can have."""
_DAC_CAPABILITIES = (1, 2)  # linux/capability.h: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
_PR_CAPBSET_DROP = 24  # linux/prctl.h
_CAPABILITY_VERSION = 0x20080522  # linux/capability.h: the third, with 64 bits each

# Forks twice, so that the process becomes a child of the test's, which adopts orphans for so long.
# What is frozen is not looked through when a process ends: each page would be copied for that.
_SERVER = """
import gc, json, os, runpy, signal, socket, sys
import typer._adapters
from forking import without_override
from esc_cli.cli import evaluate_run, train_run, upscale_run
from esc_cli.cli.app import command
from esc_cli.engine import upscaler
command()
gc.collect()
gc.freeze()

def asked(server):
    while True:
        request, streams, _, _ = socket.recv_fds(server, LARGEST_REQUEST, 3)
        if not request:
            os._exit(0)
        told, telling = os.pipe()
        between = os.fork()
        if not between:
            process = os.fork()
            if process:
                os.write(telling, str(process).encode())
                os._exit(0)
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
            os.closerange(3, max(streams[-1], telling, server.fileno()) + 1)
            return json.loads(request)
        os.waitpid(between, 0)
        for stream in (telling, *streams):
            os.close(stream)
        server.send(os.read(told, 20))
        os.close(told)

words, folder, environment, is_bound = asked(socket.socket(fileno=int(sys.argv[1])))
if is_bound:
    without_override()
signal.signal(signal.SIGINT, signal.default_int_handler)
os.environ.clear()
os.environ.update(environment)
os.chdir(folder)
sys.argv = ["esc", *words]
runpy.run_module("esc_cli", run_name="__main__")
""".replace("LARGEST_REQUEST", str(LARGEST_REQUEST))


def can_fork(environment: dict[str, str], options: dict[str, Any]) -> bool:
    """Whether `Forked` gives the same as a process that starts from nothing."""
    changed = {name for name, value in environment.items() if os.environ.get(name) != value}
    return (
        sys.platform == "linux"
        and set(options) <= _OPTIONS
        and options.get("preexec_fn") in (None, without_override)
        and not any(_is_terminal(options.get(stream)) for stream in ("stdin", "stdout", "stderr"))
        and not any(name.startswith(_AT_IMPORT) for name in changed - {"PYTHONPATH"})
        and environment.get("PYTHONPATH") == str(ROOT)
        and environment.get("OMP_NUM_THREADS") == "1"
        and "COVERAGE_PROCESS_START" not in environment
    )


def _is_terminal(stream: Any) -> bool:
    """What writes to a terminal looks at it, and at TERM, before it is asked for anything."""
    return isinstance(stream, int) and stream >= 0 and os.isatty(stream)


def without_override() -> None:
    """In a child: the superuser, too, is bound by permissions, and so is what it starts."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in _DAC_CAPABILITIES:
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # for what it starts
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted and inheritable, twice 32 bits
    libc.capget(header, sets)
    for number in range(3):
        sets[number] &= ~sum(1 << capability for capability in _DAC_CAPABILITIES)
    if libc.capset(header, sets) != 0:
        raise OSError(ctypes.get_errno(), "capset")


class Forked(subprocess.Popen[Any]):
    """`esc` with these words, as `subprocess.Popen`; what is asked for must pass `can_fork`."""

    def _execute_child(self, *given: Any) -> None:
        parameters = inspect.signature(subprocess.Popen._execute_child).parameters  # type: ignore[attr-defined]
        asked = dict(zip(list(parameters)[1:], given, strict=True))
        ends = [
            number if asked[end] == -1 else asked[end]
            for number, end in enumerate(("p2cread", "c2pwrite", "errwrite"))
        ]
        words = [os.fsdecode(word) for word in asked["args"]]
        folder = os.fsdecode(asked["cwd"] or Path.cwd())
        is_bound = asked["preexec_fn"] is without_override
        request = [words, folder, dict(asked["env"]), is_bound]
        self.pid = _SERVER_PROCESS.start(request, ends)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(asked[pipe] for pipe in pipes))  # type: ignore[attr-defined]


class _Server:
    """The process that forks, from the first request to the end of this one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    def start(self, request: list[Any], streams: list[int]) -> int:
        """The id of a new child of this process."""
        with self._lock:
            server = self._socket = self._socket or self._begun()
            _adopt_orphans(True)
            try:
                socket.send_fds(server, [json.dumps(request).encode()], streams)
                return int(server.recv(20))
            finally:
                _adopt_orphans(False)

    def _begun(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVER, str(theirs.fileno())],
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{HELPERS}", "OMP_NUM_THREADS": "1"},
            pass_fds=(theirs.fileno(),),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        theirs.close()
        atexit.register(process.wait)
        atexit.register(ours.close)
        return ours


def _adopt_orphans(wanted: bool) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, int(wanted), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


_SERVER_PROCESS = _Server()
