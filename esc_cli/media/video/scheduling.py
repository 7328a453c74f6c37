"""Encoders do not decide how the system schedules this process."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")  # proc(5): the threads of this process


@contextmanager
def kept_scheduling() -> Iterator[None]:
    """Threads have the scheduling policy that they had, and new ones that of the thread here.

    Where SVT-AV1 runs as root, it makes the thread that opens it and its own ones real-time threads
    of priority 99 (`enc_switch_to_real_time`): no other process gets a processor then, and --nice
    counts for nothing. On Linux alone; elsewhere nothing is done.
    """
    if sys.platform != "linux":
        yield
        return
    before = _policies()
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for thread, (found, given) in _policies().items():
            wanted, its_own = before.get(thread, (policy, parameter))
            if (found, given.sched_priority) != (wanted, its_own.sched_priority):
                with suppress(ProcessLookupError):  # it has ended meanwhile
                    os.sched_setscheduler(thread, wanted, its_own)


def _policies() -> dict[int, tuple[int, os.sched_param]]:
    """Thread id -> its policy, and the priority that it has within it."""
    found = {}
    for thread in (int(task.name) for task in _TASKS.iterdir()):
        with suppress(ProcessLookupError):
            found[thread] = os.sched_getscheduler(thread), os.sched_getparam(thread)
    return found
