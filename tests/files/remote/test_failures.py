"""What libraries raise is told apart: missing, denied, refused, or a break that may pass."""

from __future__ import annotations

import errno

import pytest

from esc_cli.errors import DiskError
from esc_cli.files import retries
from esc_cli.files.remote.failures import StoreError, store_failures
from esc_cli.files.retries import BrokenError, patiently


class ResponseError(Exception):
    """As aiohttp's and Azure's."""

    def __init__(self, status: int, **headers: str) -> None:
        super().__init__(f"answer {status} with hidden")
        self.status, self.headers = status, headers


def raised(error: BaseException, staged=None) -> BaseException:
    kinds = (StoreError, BrokenError, DiskError, TypeError)
    with pytest.raises(kinds) as caught, store_failures(_hide, staged):
        raise error
    return caught.value


def _hide(text: str) -> str:
    return text.replace("hidden", "***")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (FileNotFoundError("x"), "missing"),
        (ResponseError(404), "missing"),
        (PermissionError("x"), "denied"),
        (ResponseError(403), "denied"),
        (ResponseError(400), "refused"),
        (NotADirectoryError("x"), "refused"),
    ],
)
def test_what_will_not_pass_is_told_by_its_kind(error, kind):
    told = raised(error)
    assert isinstance(told, StoreError)
    assert told.kind == kind
    assert "hidden" not in str(told)


@pytest.mark.parametrize(
    "error",
    [ResponseError(503), ResponseError(429), ConnectionResetError(), TimeoutError(), EOFError()],
)
def test_what_may_pass_is_broken(error):
    assert isinstance(raised(error), BrokenError)


def test_a_server_may_say_when():
    assert raised(ResponseError(503, **{"Retry-After": "7"})).wait_s == 7


def test_a_full_disk_is_no_fault_of_the_store(tmp_path):
    assert isinstance(raised(OSError(errno.ENOSPC, "full"), tmp_path), DiskError)


def test_faults_of_ours_stay_themselves():
    assert isinstance(raised(TypeError("x")), TypeError)


def test_attempts_end_after_the_last_pause():
    waits, tries = [], []

    def attempt() -> None:
        tries.append(1)
        raise BrokenError("again", 1000.0 if len(tries) == 1 else None)

    with pytest.raises(BrokenError):
        patiently(attempt, waits.append)
    assert waits == [60.0, *retries.STORE_PAUSES_S[1:]]
    assert len(tries) == len(waits) + 1
