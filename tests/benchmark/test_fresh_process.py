"""A call in a process of its own. No torch here: each process would import it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from esc_cli.benchmark.fresh_process import in_fresh_process
from esc_cli.errors import DeviceMemoryError, EscError, StoppedError, UsageError


def go_on() -> None:
    """Nobody asks for a stop."""


def test_the_result_arrives_whatever_the_call_prints() -> None:
    assert in_fresh_process(_print, go_on) == [1, 2]


def _print() -> list[int]:
    os.write(1, b"noise")
    return [1, 2]


def test_a_stop_ends_the_measuring_process() -> None:
    start = time.monotonic()

    def stop() -> None:
        if time.monotonic() - start > 1:
            raise StoppedError(15)

    with pytest.raises(StoppedError):
        in_fresh_process(_sleep, stop)
    assert time.monotonic() - start < 20


def _sleep() -> None:
    time.sleep(60)


def _refuse() -> None:
    raise UsageError("not like this", Path("some where"), "try again")


def _die() -> None:
    os._exit(9)


def test_an_error_in_the_measuring_process_arrives_as_it_was() -> None:
    with pytest.raises(UsageError, match=r"some where: not like this \(try again\)"):
        in_fresh_process(_refuse, go_on)


def test_a_measuring_process_that_was_killed_is_reported() -> None:
    with pytest.raises(DeviceMemoryError, match="exit code 9"):
        in_fresh_process(_die, go_on)


def _divide() -> float:
    return 1 / 0


def test_an_unexpected_error_in_the_measuring_process_is_named() -> None:
    with pytest.raises(EscError, match="ZeroDivisionError"):
        in_fresh_process(_divide, go_on)
