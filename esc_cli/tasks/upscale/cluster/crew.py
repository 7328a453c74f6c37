"""Who works: the workers of a cluster, from their start to their end."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.errors import SetupError, UnreachableError, shown
from esc_cli.tasks.upscale.cluster.agreement import Greeting, Precisions
from esc_cli.tasks.upscale.cluster.ray_cluster import Heard, Idle, Lost, Place, RayCluster
from esc_cli.tasks.upscale.cluster.worker import Brief
from esc_cli.tasks.upscale.events import Remark

LOOK_S = 2.0
"""Seconds between two looks at which machines there are."""
GREETING_S = 60.0
"""Seconds from the first greeting on in which those that began with it decide on the precision."""
EMPTY_S = 60.0
"""Seconds that a cluster without any machine is waited for."""
SLOW_S = 30.0
"""Seconds after which it is told that nobody has begun."""


@dataclass
class Crew:
    """The workers that may work: `idle` and busy ones. Others start, or were refused for good."""

    cluster: RayCluster
    brief: Brief
    wanted: Mapping[str, str]
    idle: set[Place] = field(default_factory=set)
    _ready: set[Place] = field(default_factory=set)
    _starting: dict[Place, Greeting | None] = field(default_factory=dict)
    _waiting: dict[Place, Greeting] = field(default_factory=dict)
    _refused: dict[Place, str] = field(default_factory=dict)
    _precisions: Precisions = field(default_factory=Precisions)
    _notes: list[Remark] = field(default_factory=list)
    _looked: float = 0.0
    _begun: float = field(default_factory=time.monotonic)
    _seen: float = field(default_factory=time.monotonic)
    _greeted: float = 0.0
    _told_slow: bool = False

    @property
    def nodes(self) -> set[str]:
        """The machines that have a worker."""
        return {place.node for place in self._ready}

    def notes(self) -> Iterator[Remark]:
        """What is to be told of workers, once."""
        while self._notes:
            yield self._notes.pop(0)

    def fill(self, wanted: int) -> None:
        """Start workers where there are none, up to so many in all.

        Raises SetupError when nobody can work: all were refused, or no machine is there.
        """
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        there = self.cluster.places(self.brief.options.engine.device)
        known = {*self._ready, *self._starting, *self._waiting}
        free = [place for place in there if place not in known and place not in self._refused]
        for place in free[: max(0, wanted - len(known))]:
            self.cluster.start(place, self.wanted, self.brief)
            self._starting[place] = None
            known.add(place)
        self._seen = now if there else self._seen
        self._check(known, now)

    def _check(self, known: set[Place], now: float) -> None:
        if not known and self._refused:
            place, reason = next(iter(self._refused.items()))
            what = f"no machine of the cluster can work: {shown(place.host)} {reason}"
            raise SetupError(what)
        if not known and now - self._seen > EMPTY_S:
            what = "the cluster has no machine with a processor or GPU to give"
            raise UnreachableError(what, advice="ray status shows what it has")
        if not (self._ready or self._told_slow) and now - self._begun > SLOW_S:
            self._told_slow = True
            what = "has not started yet: other programs hold the devices, or keep machines busy"
            self._tell("of any machine", what)

    def hear(self, place: Place, heard: Heard) -> None:
        """What a worker tells before its first item."""
        if isinstance(heard, Greeting):
            self._starting[place] = heard
        elif isinstance(heard, Idle):
            greeting = self._starting.pop(place, None)
            if greeting is not None:
                self._waiting[place] = greeting
                self._greeted = self._greeted or time.monotonic()
        elif isinstance(heard, Lost) and place in self._starting:
            del self._starting[place]
            if place in self.cluster.places(self.brief.options.engine.device):
                self._refuse(place, heard.reason)

    def admit(self) -> None:
        """Let those work who have greeted and agree; the first are judged together."""
        if not self._waiting:
            return
        if not self._precisions.decided:
            if self._starting and time.monotonic() - self._greeted < GREETING_S:
                return
            fit = [one for one in self._waiting.values() if not one.problem]
            if fit:
                self._precisions.decide(fit)
        for place, greeting in self._waiting.items():
            problem = greeting.problem or self._precisions.difference(greeting)
            if problem:
                self._refuse(place, problem)
            else:
                self._ready.add(place)
                self.idle.add(place)
        self._waiting.clear()

    def lose(self, place: Place, reason: str = "") -> None:
        """A worker is gone; with a `reason` its place is not used again."""
        self._ready.discard(place)
        self.idle.discard(place)
        self._looked = 0.0
        if reason:
            self._refuse(place, reason)

    def _refuse(self, place: Place, reason: str) -> None:
        self.cluster.dismiss(place)
        self._refused[place] = reason
        self._tell(place.host, f"is not used: {reason}")

    def _tell(self, whom: str, text: str) -> None:
        self._notes.append(Remark(Path(f"worker {whom}"), text))
