"""The network stage beside everything else: one thread per device, pictures shared."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from esc_cli.tasks.models import Choice, Models

T = TypeVar("T")
RUNNING_PER_DEVICE = 2
"""Pictures handed out per device: a slow one at the front must not leave the others idle."""
AHEAD_BYTES = 1 << 30
"""Results above which each device has only the picture at work."""


@dataclass
class Workers:
    """Networks on each device of a batch; `models` serves the first of them.

    apart: a thread for a single device as well, so that it has its next picture already while the
    caller is busy with the last; None for where it gains something, which is not on a CPU.
    """

    models: Models
    devices: tuple[str, ...]
    apart: bool | None = None
    _all: list[Models] = field(init=False)
    _own: threading.local = field(default_factory=threading.local)

    def __post_init__(self) -> None:
        """Networks are loaded later, once per device."""
        others = [replace(self.models.engine, device=device) for device in self.devices[1:]]
        m = self.models
        self._all = [m, *(Models(m.model, one, denoise=m.denoise) for one in others)]

    def prepare(self, choice: Choice) -> None:
        """Load a network on every device. Raises as `Models.prepare`."""
        for models in self._all:
            models.prepare(choice)

    @property
    def device_types(self) -> frozenset[str]:
        """The types of the devices that networks are loaded on."""
        return frozenset[str]().union(*(models.device_types for models in self._all))

    def spread(
        self, works: Iterable[T], step: Callable[[T, Models], T], weigh: Callable[[T], int]
    ) -> Iterator[T]:
        """The results of `step`, which must not raise, in the order of `works`.

        A single CPU works in the caller's thread. `weigh`: bytes of a result.
        """
        if not self._is_apart():
            yield from (step(work, self.models) for work in works)
            return
        idle: queue.SimpleQueue[Models] = queue.SimpleQueue()
        for models in self._all:
            idle.put(models)
        running: deque[tuple[int, Future[T]]] = deque()
        pool = ThreadPoolExecutor(len(self._all), "network", self._begin, (idle,))
        try:
            for work in works:
                running.append((weigh(work), pool.submit(self._run, step, work)))
                while self._enough(running):
                    yield running.popleft()[1].result()
            while running:
                yield running.popleft()[1].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def _is_apart(self) -> bool:
        if self.apart is not None:
            return self.apart
        return len(self._all) > 1 or not self.device_types <= {"cpu"}

    def _enough(self, running: deque[tuple[int, Future[T]]]) -> bool:
        count, devices = len(running), len(self._all)
        if sum(weight for weight, _ in running) > AHEAD_BYTES:
            return count >= devices
        return count >= RUNNING_PER_DEVICE * devices

    def _begin(self, idle: queue.SimpleQueue[Models]) -> None:
        """Bind the thread to a device; workers on the CPU share its cores."""
        import torch

        from esc_cli.engine.threads import available_cores

        self._own.models = idle.get()
        on_cpu = sum(device.partition(":")[0] == "cpu" for device in self.devices)
        if on_cpu:
            share = max(1, available_cores() // on_cpu)
            torch.set_num_threads(min(torch.get_num_threads(), share))

    def _run(self, step: Callable[[T, Models], T], work: T) -> T:
        own: Models = self._own.models
        return step(work, own)
