"""The process that decodes for another one: requests on standard input, answers on its output.

What bounds it are the system's own limits, which hold whatever a codec does, also while it keeps
the interpreter to itself: one on memory (Linux), one on processor time and one on time.
"""

from __future__ import annotations

import contextlib
import math
import os
import pickle
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from esc_cli.errors import EscError, TooLargeError
from esc_cli.media.picture import Header, Metadata, Picture

SLACK_BYTES = (128 << 20) + (16 << 20) * (os.cpu_count() or 1)
"""Beyond the limit: what codecs take for themselves, the stacks and heaps of their threads."""
WAITING = 10
"""So many times its processor time may pass: other programs have their share, disks are slow."""
Step: TypeAlias = Literal["probe", "metadata", "decode"]
_LENGTHS = struct.Struct("<QQ")  # of the pickle, and the number of buffers
_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Request:
    """One call of the function of `decode` that `step` names, for a path or for a file's bytes.

    `memory`: bytes that the decoder may take, None for no limit; `seconds`: of processor time.
    """

    step: Step
    source: Path | pickle.PickleBuffer
    max_pixels: int
    allow_truncated: bool
    memory: int | None
    seconds: float


def send(stream: IO[bytes], message: object) -> None:
    """Write a message; the samples of its arrays go as they are, without a copy."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(message, protocol=5, buffer_callback=buffers.append)
    stream.write(_LENGTHS.pack(len(head), len(buffers)) + head)
    for buffer in buffers:
        with buffer.raw() as raw:
            stream.write(_LENGTH.pack(raw.nbytes))
            stream.write(raw)
    stream.flush()


def receive(stream: IO[bytes]) -> Any:
    """The next message, of a process that is trusted. Raises EOFError where none comes."""
    length, count = _LENGTHS.unpack(_read(stream, _LENGTHS.size))
    head = _read(stream, length)
    buffers = [_read(stream, _LENGTH.unpack(_read(stream, 8))[0]) for _ in range(count)]
    return pickle.loads(head, buffers=buffers)  # noqa: S301 - of our own process, by a pipe


def _read(stream: IO[bytes], length: int) -> bytearray:
    content = bytearray(length)
    view, there = memoryview(content), 0
    while there < length:
        count = stream.readinto(view[there:])  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        there += count
    return content


def serve() -> None:
    """Answer requests until there are no more. The argument is the pipe of `_end_with`."""
    _end_with(int(sys.argv[-1]))
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)  # whatever a codec prints
    os.dup2(nothing, 2)
    with contextlib.suppress(EOFError):
        while True:
            send(answers, _answer(receive(sys.stdin.buffer)))


def _end_with(life: int) -> None:
    """Have the system end this process when the other end of a pipe closes, at whatever work.

    It is the process that asks which holds it. Nothing is ever written: the one signal that the
    pipe sends tells of its end, and the signal's default action is to end the process.
    """
    import fcntl

    fcntl.fcntl(life, fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(life, fcntl.F_GETFL)
    fcntl.fcntl(life, fcntl.F_SETFL, flags | os.O_ASYNC)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    if select.select([life], [], [], 0)[0]:  # it has closed before
        os._exit(1)


def _answer(request: Request) -> Header | Metadata | Picture | EscError:
    from esc_cli.media import decode

    source = request.source if isinstance(request.source, Path) else bytes(request.source)
    steps: dict[Step, Callable[..., Header | Metadata | Picture]]
    steps = {"probe": decode.probe, "metadata": decode.metadata, "decode": decode.decode}
    try:
        with _bounded(request):
            return steps[request.step](source, request.max_pixels, request.allow_truncated)
    except EscError as error:
        if request.memory is not None and isinstance(error.__cause__, MemoryError):
            return too_much(request.memory)
        return error
    except Exception as error:  # noqa: BLE001 - a fault of ours in one item, as in `guarded`
        what = f"unexpected {type(error).__name__}: {error}"
        return EscError(what, advice="please report this")


def too_much(memory: int) -> TooLargeError:
    """The error of a decoder that takes more than the bytes it may."""
    what = f"its decoder takes more memory than the limit of {memory / 2**20:,.0f} MiB"
    return TooLargeError(what, advice="raise it with --max-memory")


@contextlib.contextmanager
def _bounded(request: Request) -> Iterator[None]:
    """The limits of the system for one request, beyond what the process has taken until now.

    Their default actions end the process, without the interpreter.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    with contextlib.ExitStack() as limits:
        limits.enter_context(_limited(resource.RLIMIT_CPU, math.ceil(used + request.seconds)))
        if request.memory is not None and sys.platform == "linux":
            most = _data_bytes() + request.memory + SLACK_BYTES
            limits.enter_context(_limited(resource.RLIMIT_DATA, most))
        signal.setitimer(signal.ITIMER_REAL, WAITING * request.seconds)
        limits.callback(signal.setitimer, signal.ITIMER_REAL, 0)
        yield


@contextlib.contextmanager
def _limited(kind: int, most: int) -> Iterator[None]:
    """A limit of the system, unless whoever started us has set a lower one."""
    import resource

    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY or most < soft:
        resource.setrlimit(kind, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(kind, (soft, hard))


def _data_bytes() -> int:
    """The private writable memory of this process, which RLIMIT_DATA counts (proc(5))."""
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    return pages * os.sysconf("SC_PAGE_SIZE")
