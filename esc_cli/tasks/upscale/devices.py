"""The network stage beside everything else: one thread per device, pictures shared."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from esc_cli.tasks.models import Choice
from esc_cli.tasks.upscale.network_step import Step

T = TypeVar("T")
RUNNING_PER_DEVICE = 2
"""Pictures handed out per device: a slow one at the front must not leave the others idle."""
AHEAD_BYTES = 1 << 30
"""Results above which each device has only the picture at work."""


@dataclass
class Workers:
    """The steps of a batch, one for each device.

    apart: a thread for a single device as well, so that it has its next picture already while the
    caller is busy with the last; None for where it gains something, which is not on a CPU.
    """

    steps: Sequence[Step]
    apart: bool | None = None
    _own: threading.local = field(default_factory=threading.local)

    def prepare(self, choice: Choice) -> None:
        """Load a network on every device. Raises as `Step.prepare`."""
        for step in self.steps:
            step.prepare(choice)

    @property
    def device_types(self) -> frozenset[str]:
        """The types of the devices that networks are loaded on."""
        return frozenset[str]().union(*(step.device_types for step in self.steps))

    def spread(
        self, works: Iterable[T], run: Callable[[Step, T], T], weigh: Callable[[T], int]
    ) -> Iterator[T]:
        """The results of `run`, which must not raise, in the order of `works`.

        A single CPU works in the caller's thread. `weigh`: bytes of a result.
        """
        if not self._is_apart():
            yield from (run(self.steps[0], work) for work in works)
            return
        idle: queue.SimpleQueue[Step] = queue.SimpleQueue()
        for step in self.steps:
            idle.put(step)
        running: deque[tuple[int, Future[T]]] = deque()
        pool = ThreadPoolExecutor(len(self.steps), "network", self._begin, (idle,))
        try:
            for work in works:
                running.append((weigh(work), pool.submit(self._run, run, work)))
                while self._enough(running):
                    yield running.popleft()[1].result()
            while running:
                yield running.popleft()[1].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_apart(self) -> bool:
        if self.apart is not None:
            return self.apart
        return len(self.steps) > 1 or not self.device_types <= {"cpu"}

    def _enough(self, running: deque[tuple[int, Future[T]]]) -> bool:
        count, devices = len(running), len(self.steps)
        if sum(weight for weight, _ in running) > AHEAD_BYTES:
            return count >= devices
        return count >= RUNNING_PER_DEVICE * devices

    def _begin(self, idle: queue.SimpleQueue[Step]) -> None:
        """Bind the thread to a step; those on the CPU share its cores."""
        import torch

        from esc_cli.engine.threads import available_cores

        self._own.step = idle.get()
        on_cpu = sum("cpu" in step.device_types for step in self.steps)
        if on_cpu:
            share = max(1, available_cores() // on_cpu)
            torch.set_num_threads(min(torch.get_num_threads(), share))

    def _run(self, run: Callable[[Step, T], T], work: T) -> T:
        own: Step = self._own.step
        return run(own, work)
