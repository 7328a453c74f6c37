"""`decode.probe` and `decode.decode` in a process of their own, so that no codec harms a batch.

A codec may take far more than the header of a file tells, never end, keep the interpreter to
itself, or crash: all that happens to one process, which serves all pictures of this one, one by
one, and is started again when it has ended. Where the system has no such limits (Windows), it all
happens here.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import EscError, ReadError
from esc_cli.media import decode as here
from esc_cli.media.confined_process import Request, Step, receive, send
from esc_cli.media.picture import Header, Metadata, Picture

_SECONDS_PER_MEGAPIXEL = 2.0
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from esc_cli.media.confined_process import serve; serve()"
)


@dataclass(frozen=True)
class Bounds:
    """What a file may ask for.

    `memory`: bytes that its decoder may take, None for no limit. `seconds`: processor time for a
    header; pixels have more, by their number.
    """

    max_pixels: int
    allow_truncated: bool = False
    memory: int | None = None
    seconds: float = 60.0


def probe(source: bytes | Path, bounds: Bounds) -> Header:
    """The header, as `decode.probe`; besides its errors those of `decode`."""
    if sys.platform == "win32":
        return here.probe(source, bounds.max_pixels, bounds.allow_truncated)
    header: Header = _asked("probe", source, bounds)
    return header


def metadata(source: bytes | Path, bounds: Bounds) -> Metadata:
    """What stands beside the pixels, as `decode.metadata`; the errors are those of `probe`."""
    if sys.platform == "win32":
        return here.metadata(source, bounds.max_pixels, bounds.allow_truncated)
    found: Metadata = _asked("metadata", source, bounds)
    return found


def _asked(step: Step, source: bytes | Path, bounds: Bounds) -> Any:
    path, sent = None, source
    if isinstance(source, Path):
        path, sent = source, source.absolute()
    return _PROCESS.ask(_request(step, sent, bounds, bounds.seconds), path)


def decode(content: bytes, header: Header, bounds: Bounds) -> Picture:
    """Pixels and metadata, as `decode.decode`; the time that they may take goes by the header.

    Raises its errors, TooLargeError where the decoder takes more memory than it may, and ReadError
    where it takes more time or crashes.
    """
    if sys.platform == "win32":
        return here.decode(content, bounds.max_pixels, bounds.allow_truncated)
    megapixels = header.width * header.height * header.frames / 1e6
    seconds = bounds.seconds + _SECONDS_PER_MEGAPIXEL * megapixels
    picture: Picture = _PROCESS.ask(_request("decode", content, bounds, seconds))
    return picture


def _request(step: Step, source: bytes | Path, bounds: Bounds, seconds: float) -> Request:
    sent = pickle.PickleBuffer(source) if isinstance(source, bytes) else source
    return Request(step, sent, bounds.max_pixels, bounds.allow_truncated, bounds.memory, seconds)


class _Process:
    """The process, once something is asked of it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._life: int | None = None

    def ask(self, request: Request, path: Path | None = None) -> Any:
        """The answer to a request, raised if it is an error; then it names `path`."""
        with self._lock:
            process = self._running()
            try:
                answer = self._asked(process, request)
            except BaseException:  # a signal's handler may raise: then an answer is on its way
                self.end()
                raise
        if isinstance(answer, EscError):
            raise type(answer)(answer.what, path, answer.advice)
        return answer

    def _asked(self, process: subprocess.Popen[bytes], request: Request) -> Any:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the process has pipes")
        try:
            send(process.stdin, request)
            return receive(process.stdout)
        except (EOFError, BrokenPipeError):
            code = process.wait()
            self.end()
            return _why(code)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.end()
            self._process = self._started()
        return self._process

    def _started(self) -> subprocess.Popen[bytes]:
        # A session of its own: Ctrl-C reaches this process, which decides what becomes of it.
        theirs, self._life = os.pipe()
        try:
            return subprocess.Popen(  # noqa: S603 - our own module, with this interpreter
                [sys.executable, "-P", "-c", _PROGRAM, json.dumps(sys.path), str(theirs)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs,),
                start_new_session=True,
            )
        finally:
            os.close(theirs)

    def end(self) -> None:
        """End it, whatever it does."""
        process, life, self._process, self._life = self._process, self._life, None, None
        if life is not None:
            os.close(life)
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):  # what it had not taken in
                        stream.close()


def _why(code: int) -> EscError:
    """Why the process has ended, by its exit code."""
    if -code in (signal.SIGXCPU, signal.SIGALRM):
        return ReadError("the picture is damaged: its decoder does not come to an end")
    # C++ ends the process where memory runs out, as it does for what cannot be.
    what = "the picture is damaged: its decoder broke off, or took more memory than it may"
    return ReadError(what, advice="--max-memory sets the limit")


# Nothing ends it when this process does but the system, which closes the pipes: a thread that waits
# for an answer must not wake up while the interpreter is taken down.
_PROCESS = _Process()
