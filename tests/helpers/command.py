"""The `esc` command in this process, or in one of its own where processes are what is tested."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

import coverage
import pytest
from forking import Forked, can_fork

ROOT = Path(__file__).parents[2]
Word = str | bytes | Path | int | float


@contextlib.contextmanager
def measured() -> Iterator[None]:
    """Processes that begin within count for coverage too, if this one does.

    For what no test runs in its own process; everywhere it would cost a second a process.
    """
    with pytest.MonkeyPatch.context() as patch:
        if coverage.Coverage.current() is not None:
            patch.setenv("COVERAGE_PROCESS_START", str(ROOT / "pyproject.toml"))
            patch.setenv("COVERAGE_FILE", str(ROOT / ".coverage"))
        yield


@dataclass(frozen=True)
class Ran:
    """How a run ended; texts with bytes that are no UTF-8 as surrogates."""

    code: int
    out: str
    err: str
    raw_out: bytes = b""

    def lines_naming(self, word: str) -> list[str]:
        return [line for line in self.err.splitlines() if word in line]


def checked(code: int, out: bytes, err: bytes) -> Ran:
    """No run may ever show a traceback."""
    ran = Ran(code, os.fsdecode(out), os.fsdecode(err), out)
    assert "Traceback" not in ran.err, ran.err
    assert "please report" not in ran.err, ran.err
    return ran


def start(*words: Word, **options: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own, left running.

    `env` is laid over the environment; `before` are the words of a wrapper.
    """
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment |= options.pop("env", {})
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
    # Unbuffered: communicate() after readline() would lose what a buffer had taken in ahead.
    before = options.pop("before", ())
    options = pipes | {"bufsize": 0} | options
    if not before and can_fork(environment, options):
        return Forked(_texts(words), env=environment, **options)
    command = [*before, sys.executable, "-m", "esc_cli", *_texts(words)]
    return subprocess.Popen(command, env=environment, **options)


def run_process(*words: Word, **options: Any) -> Ran:
    """The command in a process of its own, to its end; `input` goes to its stdin."""
    given, timeout = options.pop("input", None), options.pop("timeout", 120)
    if given is not None:
        options["stdin"] = subprocess.PIPE
    return at_its_end(start(*words, **options), given, timeout)


def at_its_end(
    process: subprocess.Popen[bytes], given: bytes | None = None, timeout: float = 120
) -> Ran:
    """Waits for it; one that takes longer than so many seconds is killed."""
    try:
        out, err = process.communicate(given, timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return checked(process.returncode, out or b"", err or b"")


def run_here(
    *words: Word,
    input: bytes | None = None,
    env: dict[str, str] | None = None,
    cwd: str | Path | None = None,
) -> Ran:
    """The command in this process, which has imported torch already."""
    from esc_cli.cli.app import main

    streams = [_Stream() for _ in range(2)]
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, env or {}))
        stack.enter_context(contextlib.chdir(cwd or Path.cwd()))
        stack.enter_context(_process_state())
        stdin = io.TextIOWrapper(io.BytesIO(input or b""))
        for name, value in (("stdin", stdin), ("stdout", streams[0]), ("stderr", streams[1])):
            stack.enter_context(mock.patch.object(sys, name, value))
        stack.enter_context(
            mock.patch.object(sys, "argv", ["esc", *map(os.fsdecode, _texts(words))])
        )
        code = _ended(main)
    return checked(code, *(stream.content() for stream in streams))


class _Stream(io.TextIOWrapper):
    """What a process would have as its stdout or stderr when it is no terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), "utf-8", "surrogateescape", write_through=True)

    def content(self) -> bytes:
        self.flush()
        return self.buffer.getvalue()  # type: ignore[attr-defined]


def _texts(words: tuple[Word, ...]) -> list[bytes]:
    return [
        word
        if isinstance(word, bytes)
        else os.fsencode(word if isinstance(word, Path) else str(word))
        for word in words
    ]


def _ended(main: Any) -> int:
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


@contextlib.contextmanager
def _process_state() -> Iterator[None]:
    """Put back what a run sets for its process."""
    import torch

    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    threads = torch.get_num_threads()
    with warnings.catch_warnings():
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            torch.set_num_threads(threads)
            torch.set_flush_denormal(False)


HERE = {"input", "env", "cwd", "timeout"}
"""Options that a run in this process can have."""
HARMLESS = ("ESC_", "XDG_", "SSL_", "NO_PROXY", "COLUMNS", "HOME")
"""How variables begin that are read when they are needed, not when a process starts."""


@dataclass(frozen=True)
class Command:
    """One command of esc, such as `upscale`, with the words that come first.

    Called, it runs in this process, or in one of its own when it is told so (`process=True`) or
    has options that only a process can have. `start` leaves a process running.
    """

    words: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)

    def start(self, *words: Word, **options: Any) -> subprocess.Popen[bytes]:
        return start(*self.words, *words, **options | {"env": self.env | options.get("env", {})})

    def __call__(self, *words: Word, process: bool = False, **options: Any) -> Ran:
        env = options["env"] = self.env | options.get("env", {})
        here = not process and set(options) <= HERE and all(k.startswith(HARMLESS) for k in env)
        if not here:
            return run_process(*self.words, *words, **options)
        options.pop("timeout", None)
        return run_here(*self.words, *words, **options)

    @staticmethod
    def ended(code: int, out: bytes, err: bytes) -> Ran:
        return checked(code, out, err)


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the records: relative path -> content."""
    found = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in found
        if not path.name.startswith(".esc-records.")
    }
