"""Freed memory is kept for the next operation, unless the user chose otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from esc_cli.engine.prepare import LARGEST, MIB, USERS

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
SCRIPT = f"""
import resource, torch
from esc_cli.engine.prepare import ready
from esc_cli.model import build
ready(build("esc-tiny", 2), torch.device("cpu"), torch.float32)
buffer = torch.ones({LARGEST // 8})  # half the largest that is kept, in float32
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        temporary = [buffer + number for number in range(3)]
        del temporary
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults(**environment: str) -> int:
    """Pages that 20 times three temporary tensors of 16 MiB were given anew."""
    clean = {name: value for name, value in os.environ.items() if name not in USERS}
    told = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=clean | environment, capture_output=True, check=True
    )
    return int(told.stdout)


@pytest.mark.slow
def test_freed_memory_serves_the_next_tensors_unless_the_user_chose_otherwise() -> None:
    chosen = faults(MALLOC_TRIM_THRESHOLD_="131072", MALLOC_MMAP_THRESHOLD_="131072")
    if chosen < 15_000:
        pytest.skip("the system gives memory in huge pages")
    assert chosen >= 960 * MIB // os.sysconf("SC_PAGE_SIZE")
    assert faults() < chosen / 10
