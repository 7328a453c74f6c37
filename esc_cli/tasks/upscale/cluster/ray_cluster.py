"""A Ray cluster as places that work; the only file that knows Ray.

Actors by themselves, and no pool: pools try a task again without end whose input kills its worker.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from esc_cli.errors import EscError, MissingExtraError, UnreachableError, UsageError
from esc_cli.tasks.upscale.cluster.agreement import Greeting
from esc_cli.tasks.upscale.cluster.worker import Brief, ClusterWorker, writer_name
from esc_cli.tasks.upscale.events import ItemEvent
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.shard import Shard

if TYPE_CHECKING:
    from types import ModuleType

AUTO = "auto"
CONNECT_S = 10.0
"""Seconds for the first answer of a cluster's address."""
_HANDLED = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class Place:
    """Where one worker can be: a GPU of a machine, or the processor of one that has none.

    `node`: the machine's number in the cluster; `cores`: processor cores that it takes.
    """

    node: str
    index: int
    host: str
    address: str
    cores: int
    gpus: int


@dataclass(frozen=True)
class Lost:
    """A worker is gone, with what it was at."""

    reason: str


@dataclass(frozen=True)
class Idle:
    """A worker has nothing left to tell, and can be given the next item."""


Heard = Greeting | ItemEvent | EscError | Lost | Idle


@dataclass
class RayCluster:
    """The cluster at an address, joined from here.

    Raises MissingExtraError without Ray, UsageError for what is no address, UnreachableError for a
    cluster that cannot be joined.
    """

    address: str
    _ray: ModuleType = field(init=False)
    _workers: dict[Place, Any] = field(default_factory=dict)
    _talks: dict[Any, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Join it."""
        self._ray = _ray()
        _check_address(self.address)
        handlers = {number: signal.getsignal(number) for number in _HANDLED}
        try:
            # Its logs would stand between the results on stdout.
            self._ray.init(self.address, log_to_driver=False, logging_level="ERROR")
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise _unreachable(self.address, error) from error
        finally:
            # Ray puts its own in the place of that of SIGTERM, and its exit code would be 15.
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def places(self, device: str) -> list[Place]:
        """Where workers can be now, for `--device`: auto, cpu or cuda."""
        found = []
        for node in self._ray.nodes():
            if node["Alive"]:
                found += _places_of(node, device)
        return found

    @property
    def writer(self) -> str:
        """What the records of this machine are called, as those of its workers."""
        return writer_name(socket.gethostname(), self._ray.util.get_node_ip_address())

    def start(self, place: Place, wanted: Mapping[str, str], brief: Brief) -> None:
        """Start a worker, which greets once it is there."""
        strategy = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        options: dict[str, Any] = {
            "num_cpus": place.cores,
            "num_gpus": place.gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
            "scheduling_strategy": strategy(place.node, soft=False),
        }
        actor = self._ray.remote(ClusterWorker).options(**options)
        worker = actor.remote(dict(wanted), pickle.dumps(brief), place.address)
        self._workers[place] = worker
        self._talks[worker.greet.options(num_returns="streaming").remote()] = place

    def give(
        self, place: Place, job: Job, seconds: float | None, share: Shard | None = None
    ) -> None:
        """Give an idle worker an item; see `ClusterWorker.work`."""
        work = self._workers[place].work.options(num_returns="streaming")
        self._talks[work.remote(job, seconds, share)] = place

    def hear(self, timeout_s: float) -> list[tuple[Place, Heard]]:
        """What workers have told since, waiting for the first word at most so long."""
        if not self._talks:
            time.sleep(timeout_s)
            return []
        ready, waiting = self._ray.wait(list(self._talks), num_returns=1, timeout=timeout_s)
        if ready and waiting:
            more, _ = self._ray.wait(waiting, num_returns=len(waiting), timeout=0)
            ready += more
        return [(self._talks[talk], self._next(talk)) for talk in ready]

    def _next(self, talk: Any) -> Heard:
        errors = self._ray.exceptions
        try:
            told: Heard = self._ray.get(next(talk))
        except StopIteration:
            del self._talks[talk]
            return Idle()
        except errors.RayError as error:
            self.dismiss(self._talks[talk])
            return Lost(_why(error))
        return told

    def dismiss(self, place: Place) -> None:
        """End a worker, whatever it does."""
        worker = self._workers.pop(place, None)
        self._talks = {talk: other for talk, other in self._talks.items() if other != place}
        if worker is not None:
            self._ray.kill(worker)

    def close(self) -> None:
        """End all workers, and leave the cluster."""
        for place in tuple(self._workers):
            self.dismiss(place)
        self._ray.shutdown()


def _ray() -> ModuleType:
    # Read when Ray is imported: it prints the cluster's errors on stdout, and they are told here.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        what = f"--cluster needs Ray: {error}"
        raise MissingExtraError(what, advice="pip install 'esc-cli[cluster]'") from error
    module: ModuleType = ray
    return module


def _check_address(address: str) -> None:
    """Raise UsageError for what is no address, UnreachableError where nobody listens.

    Ray itself would try for a minute.
    """
    if address == AUTO:
        return
    host, colon, port = address.rpartition(":")
    if not colon or not host or "/" in host or not port.isdecimal():
        advice = "auto, or HOST:PORT as given to ray start --address"
        raise UsageError(f"--cluster {address!r} is no address of a cluster", advice=advice)
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> UnreachableError:
    reason = next(iter(str(error).splitlines()), "") or type(error).__name__
    advice = "on this machine: ray start --address=HOST:PORT, with the cluster's token"
    where = "a Ray cluster" if address == AUTO else f"the Ray cluster at {address}"
    return UnreachableError(f"{where} cannot be joined: {reason}", advice=advice)


def _places_of(node: dict[str, Any], device: str) -> list[Place]:
    """One for each GPU; without any, one for the processor."""
    has = node["Resources"]
    cores, gpus = int(has.get("CPU", 0)), int(has.get("GPU", 0))
    known = node["NodeID"], node["NodeManagerHostname"], node["NodeManagerAddress"]
    if gpus and device != "cpu":
        share = cores // gpus
        return [Place(known[0], index, *known[1:], share, 1) for index in range(gpus)]
    return [Place(known[0], 0, *known[1:], cores, 0)] if cores and device != "cuda" else []


def _why(error: Exception) -> str:
    """In a few words why a worker is gone; Ray explains it at length."""
    cause = error.__cause__ or error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    if "unexpectedly" in str(error):
        return "its process was killed, ran out of memory, or its machine is gone"
    return lines[-1] if lines else type(error).__name__
