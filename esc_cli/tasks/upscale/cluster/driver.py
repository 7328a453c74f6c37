"""A batch on a cluster: idle workers are handed items, and what a lost one had is tried again.

An item is at one worker, and a worker at one item, so that fast machines do more, and it is known
which item a worker died of. What several workers have done of a video is joined here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import chain

from esc_cli.errors import DeadlineError, EscError, SetupError, StoppedError
from esc_cli.tasks.models import Choice
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster.agreement import Greeting, versions
from esc_cli.tasks.upscale.cluster.crew import Crew
from esc_cli.tasks.upscale.cluster.joins import Joins, Missing, Told
from esc_cli.tasks.upscale.cluster.messages import (
    as_here,
    from_anywhere,
    network_from_anywhere,
    portable,
)
from esc_cli.tasks.upscale.cluster.ray_cluster import Heard, Idle, Lost, Place, RayCluster
from esc_cli.tasks.upscale.cluster.shared_folders import marked
from esc_cli.tasks.upscale.cluster.videos import Attempt, Film, attempts
from esc_cli.tasks.upscale.cluster.worker import Brief
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job, Settled, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.stages import Failure

MOST_LOSSES = 3
"""Workers that may be lost with an item, and rounds at a video, before it has failed."""
AHEAD = 4096
"""Items that are held to be handed out; more workers than that find none at first."""
TICK_S = 0.2
"""Longest wait for a word of the workers: a signal or a deadline is seen after that."""


@dataclass
class ClusterPipeline:
    """Runs jobs on the workers of a cluster. `fatal` and `late` as of every `Runner`."""

    options: UpscaleOptions
    address: str
    stop: Stop
    fatal: EscError | None = None
    late: EscError | None = None
    _networks: tuple[Choice, ...] = ()
    _cluster: RayCluster | None = None
    _coming: Iterator[Attempt | Settled] = field(default_factory=lambda: iter(()))
    _told: deque[Item] = field(default_factory=deque)
    _queue: deque[Attempt] = field(default_factory=deque)
    _at_work: dict[Place, Attempt] = field(default_factory=dict)
    _ended: deque[Film] = field(default_factory=deque)
    _is_open: bool = True

    @contextmanager
    def prepared(self, networks: Iterable[Choice]) -> Iterator[None]:
        """Within, the cluster is joined. Raises as `RayCluster`."""
        self._networks = tuple(networks)
        with closing(RayCluster(self.address)) as self._cluster:
            yield

    def run(self, jobs: Sequence[Job], more: Iterable[Job | Settled] = ()) -> Iterator[ItemEvent]:
        """The items of the jobs as they finish, and of `more`, and what is to be told of workers.

        After a signal it ends at once: what workers have not written whole is done by the next run.
        """
        cluster = self._cluster
        if cluster is None:
            raise ValueError("the cluster must be joined first")
        places = cluster.places(self.options.engine.device)
        self._coming = attempts(chain(jobs, more), self.options, max(1, len(places)))
        self._is_open = True
        self._refill()
        shelf = RecordShelf(cluster.writer)
        with marked(jobs) as sight, closing(Joins(self.options, shelf, self.stop)) as joins:
            networks = tuple(network_from_anywhere(one) for one in self._networks)
            crew = Crew(cluster, Brief(portable(self.options), networks, sight), versions())
            while not self.stop and self._has_more(joins):
                self._hand_out(cluster, crew)
                while self._told:
                    yield self._told.popleft()
                for place, heard in cluster.hear(TICK_S):
                    yield from self._heard(crew, place, heard)
                for film, told in joins.heard():
                    yield from self._joined(film, told)
                yield from self._see_to_films(joins)
                crew.admit()
                yield from crew.notes()

    def _has_more(self, joins: Joins) -> bool:
        is_left = self._is_open or self._queue
        return bool(self._at_work or joins.is_busy or (is_left and self._goes_on()))

    def _goes_on(self) -> bool:
        if self.stop.is_due and self.late is None:
            self.late = DeadlineError("the time is up")
        return not (self.fatal or self.late)

    def _hand_out(self, cluster: RayCluster, crew: Crew) -> None:
        """Start workers that are missing, and give each idle one an item."""
        self._refill()
        more = AHEAD if self._open_film() else 0
        if not (self._queue or more) or not self._goes_on():
            return
        try:
            crew.fill(len(self._queue) + len(self._at_work) + more)
        except SetupError as error:
            self.fatal = error
            return
        for place in tuple(crew.idle):
            attempt = self._next_for(place, crew)
            if attempt is not None:
                crew.idle.remove(place)
                self._at_work[place] = attempt
                job = from_anywhere(attempt.job)
                cluster.give(place, job, self.stop.seconds_left, attempt.share)

    def _next_for(self, place: Place, crew: Crew) -> Attempt | None:
        """The next item that no worker of this machine was lost with, if another could take it.

        Without any, a seat at a film that others are at.
        """
        for attempt in self._queue:
            is_other = place.node not in attempt.nodes or crew.nodes <= set(attempt.nodes)
            if attempt.is_needed and is_other:
                self._queue.remove(attempt)
                return attempt
        film = None if self._queue else self._open_film()
        return None if film is None else film.seat()

    def _refill(self) -> None:
        """Drop what is no longer needed, and take more of the items to come.

        Up to what is settled, which is to be told: to come to more, headers are read.
        """
        while self._queue and not self._queue[0].is_needed:
            self._queue.popleft()
        while len(self._queue) < AHEAD:
            coming = next(self._coming, None)
            self._is_open = coming is not None
            if not isinstance(coming, Attempt):
                self._told.extend(() if coming is None else coming.items)
                return
            self._queue.append(coming)

    def _open_film(self) -> Film | None:
        """A film at work that one more worker may join."""
        films = (attempt.film for attempt in self._at_work.values())
        return next((film for film in films if film is not None and film.is_open), None)

    def _heard(self, crew: Crew, place: Place, heard: Heard) -> Iterator[ItemEvent]:
        attempt = self._at_work.get(place)
        if attempt is None:
            if isinstance(heard, Lost):
                crew.lose(place)
            crew.hear(place, heard)
        elif isinstance(heard, Idle):
            del self._at_work[place]
            crew.idle.add(place)
            self._see(attempt.film)
        elif isinstance(heard, DeadlineError):
            self.late = self.late or heard
        elif isinstance(heard, (Lost, EscError)):
            del self._at_work[place]
            crew.lose(place, heard.reason if isinstance(heard, EscError) else "")
            yield from self._again(attempt, place, heard)
        elif not isinstance(heard, Greeting):
            yield from attempt.hear(as_here(heard, attempt.job))

    def _again(self, attempt: Attempt, place: Place, lost: Lost | EscError) -> Iterator[ItemEvent]:
        """Put an item back, or end it: with an error of the machines the batch ends, too."""
        attempt.nodes.append(place.node)
        if attempt.told:
            self._see(attempt.film)
            return
        if len(attempt.nodes) < MOST_LOSSES:
            self._queue.appendleft(attempt)
        elif isinstance(lost, EscError):
            self.fatal = self.fatal or lost
        else:
            what = f"{MOST_LOSSES} workers were lost with it, the last on {place.host}"
            yield from attempt.hear(item_of(attempt.job, "failed", f"{what}: {lost.reason}"))

    def _see(self, film: Film | None) -> None:
        """Look soon at what becomes of a video that a worker has left."""
        if film is not None:
            self._ended.append(film)

    def _see_to_films(self, joins: Joins) -> Iterator[Item]:
        """Join those whose segments are all there, and go on with those that all have left."""
        while self._ended:
            film = self._ended.popleft()
            if (whole := film.whole) is not None:
                film.is_joining = True
                joins.begin(film, whole)
            elif film.is_left:
                yield from self._further(film, "segments of it are not finished")

    def _joined(self, film: Film, told: Told) -> Iterator[ItemEvent]:
        """What is told while a video is joined: its item ends it."""
        if isinstance(told, Missing):
            film.is_joining = False
            yield from self._further(film, f"{told.steps} of its segments were damaged or missing")
        elif isinstance(told, Failure):
            if isinstance(told.error, DeadlineError):
                self.late = self.late or told.error
            elif not isinstance(told.error, StoppedError):
                if isinstance(told.error, SetupError):
                    self.fatal = self.fatal or told.error
                yield film.tell(item_of(film.job, "failed", told.error.reason))
        elif isinstance(told, Item):
            yield film.tell(told)
        else:
            yield told

    def _further(self, film: Film, why: str) -> Iterator[Item]:
        """A further round of a video, or its end after too many."""
        if film.rounds < MOST_LOSSES:
            self._queue.appendleft(film.again())
        else:
            what = f"after {film.rounds} rounds of all workers {why}; run again"
            yield film.tell(item_of(film.job, "failed", what))
