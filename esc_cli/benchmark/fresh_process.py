"""A call in a process of its own, whose peak memory is then that of the call alone.

Not multiprocessing: its "spawn" runs the main module once more.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any, TypeVar

from esc_cli.errors import DeviceMemoryError, EscError

T = TypeVar("T")
_POLL_S = 0.1
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from esc_cli.benchmark.fresh_process import serve; serve()"
)


def in_fresh_process(call: Callable[[], T], check: Callable[[], None]) -> T:
    """The result of `call`, which must survive pickling, as must the result.

    `check` is called while the process works; what it raises ends the process. Raises what the
    call raises if that is an EscError, and DeviceMemoryError when the process was killed.
    """
    command = [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)]
    with tempfile.TemporaryFile() as question, tempfile.TemporaryFile() as answer:
        pickle.dump(call, question)
        question.seek(0)
        with subprocess.Popen(command, stdin=question, stdout=answer) as process:  # noqa: S603
            try:
                while process.poll() is None:
                    check()
                    _wait(process)
            finally:
                process.kill()
        answer.seek(0)
        found: T = _answered(answer.read(), process.returncode)
    return found


def _wait(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_POLL_S)
    except subprocess.TimeoutExpired:
        return


def _answered(content: bytes, code: int) -> Any:
    if code != 0 or not content:
        what = f"the process that measured ended by itself (exit code {code})"
        raise DeviceMemoryError(what, advice="most likely out of memory")
    answer = pickle.loads(content)  # noqa: S301 - written by our own process to a nameless file
    if isinstance(answer, EscError):
        raise answer
    return answer


def serve() -> None:
    """The other side: a pickled call on stdin, its pickled result or EscError on stdout."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent hears it too, and ends this process
    result = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints
    call = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by the parent
    try:
        answer = call()
    except EscError as error:
        answer = error
    except Exception as error:  # noqa: BLE001 - the parent raises it
        reason = str(error).partition("\n")[0]
        answer = EscError(f"unexpected {type(error).__name__}: {reason}")
    with os.fdopen(result, "wb") as stream:
        pickle.dump(answer, stream)
