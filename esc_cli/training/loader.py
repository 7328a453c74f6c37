"""Batches made ahead of their use, and how long the device waited for them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Generic, TypeVar

from torch import Tensor

B = TypeVar("B")
T = TypeVar("T", bound=tuple[Any, ...])


def pinned(batch: T) -> T:
    """A named tuple with its tensors in memory from which a GPU copies while it computes."""
    parts = (part.pin_memory() if isinstance(part, Tensor) else part for part in batch)
    return type(batch)(*parts)


class Loader(Generic[B]):
    """Calls `make(step)` for the coming steps in threads. `waited_s` adds up the waiting.

    A context manager: leaving it ends the threads. What `make` raises, `take` raises.
    """

    def __init__(self, make: Callable[[int], B], step: int, threads: int, ahead: int):
        self.waited_s = 0.0
        self._make, self._next = make, step
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="patches")
        self._coming: deque[Future[B]] = deque()
        for _ in range(ahead):
            self._order()

    def take(self) -> B:
        """The batch of the next step."""
        start = time.perf_counter()
        batch = self._coming.popleft().result()
        self.waited_s += time.perf_counter() - start
        self._order()
        return batch

    def _order(self) -> None:
        self._coming.append(self._pool.submit(self._make, self._next))
        self._next += 1

    def __enter__(self) -> Loader[B]:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
