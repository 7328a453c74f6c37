"""How an item leaves a stage: with its result, or with its error on the way to the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from esc_cli.errors import EscError
from esc_cli.tasks.job import Job

T = TypeVar("T")


@dataclass
class Failure:
    """An item's error on its way to the report."""

    job: Job
    error: EscError


def guarded(job: Job, step: Callable[[], T]) -> T | Failure:
    """The one boundary of an item: whatever a stage raises is kept with its reason."""
    try:
        return step()
    except EscError as error:
        return Failure(job, error)
    except Exception as error:  # noqa: BLE001 - a fault of ours in one item must not stop the batch
        what = f"unexpected {type(error).__name__}: {error}"
        return Failure(job, EscError(what, job.source.path, "please report this"))
