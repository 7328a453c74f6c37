"""The process that `esc` runs in: it may die, hang or grow, and another takes its place."""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROGRAM = ("-m", "tests.campaign.worker")
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(ROOT)}
CORES = 2
"""However many a machine has: address space goes with the threads of codecs, and their stacks."""
START_S = 600
"""For Python, torch and a network to load, on whatever machine."""


class Died(Exception):  # noqa: N818 - an outcome
    """The process ended by itself; the text says how."""


class Hung(Exception):  # noqa: N818 - an outcome
    """The process did not answer in time."""


@dataclass(frozen=True)
class Answer:
    """How a command ended: its exit code, and all that it wrote, decoders included."""

    code: int
    written: str


class Worker:
    """Runs `esc` commands one after the other in a process with a bound on its memory.

    memory_bytes: address space that it may take beyond what it has with a network loaded.
    program: how Python is to start it; the file descriptor for its answers and the memory follow.
    """

    def __init__(self, memory_bytes: int, program: Sequence[str] = PROGRAM) -> None:
        self.memory_bytes, self.program = memory_bytes, program
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, words: Sequence[str], limit_s: float) -> Answer:
        """Run `esc` with these words. Raises Died and Hung."""
        process = self._running()
        assert process.stdin is not None
        self._written.seek(0)
        self._written.truncate()
        try:
            process.stdin.write(json.dumps(list(words)).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            raise self._lost(has_ended=True) from None
        return Answer(int(self._answer(limit_s)), self._text())

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            os.close(self._answers)
            self._written.close()
            self._process = None

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._answers, theirs = os.pipe()
            self._written = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
            self._process = subprocess.Popen(
                [sys.executable, *self.program, str(theirs), str(self.memory_bytes)],
                cwd=ROOT,
                env=os.environ | ENVIRONMENT,
                stdin=subprocess.PIPE,
                stdout=self._written,
                stderr=self._written,
                pass_fds=[theirs],
            )
            os.close(theirs)
            self.starts += 1
            self._answer(START_S)
        return self._process

    def _answer(self, limit_s: float) -> bytes:
        line = b""
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._answers], [], [], limit_s)
            part = os.read(self._answers, 4096) if ready else b""
            if not part:
                raise self._lost(bool(ready))
            line += part
        return line

    def _lost(self, has_ended: bool) -> Exception:
        process, text = self._process, ""
        assert process is not None
        if has_ended:
            code = process.wait()
            text = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            text += f": {self._text()[-400:]}"
        self.close()
        return Died(text) if has_ended else Hung()

    def _text(self) -> str:
        self._written.seek(0)
        return self._written.read().decode(errors="replace")


def _serve(answers: int, memory_bytes: int) -> None:
    """In the process: a list of words a line from stdin, an exit code a line to `answers`."""
    from tests.campaign.seeds import image

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as folder:  # so that a network is loaded, and its threads
        from random import Random

        image(Random(0), "RGB").save(f"{folder}/a.png")
        if _code(["upscale", f"{folder}/a.png", "--scale", "2", "--device", "cpu", "--quiet"]):
            raise SystemExit("a plain picture is not done")
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (own + memory_bytes,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.write(answers, b"ready\n")
    for line in sys.stdin:
        os.write(answers, b"%d\n" % _code(json.loads(line)))


def _code(words: list[str]) -> int:
    from esc_cli.cli.app import main

    sys.argv = ["esc", *words]
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
