"""A batch on a cluster: idle workers are handed items, and what a lost one had is tried again.

An item is at one worker, and a worker at one item, so that fast machines do more, and it is known
which item a worker died of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from esc_cli.checkpoints.fetch import Supply
from esc_cli.checkpoints.store import looks_like_path
from esc_cli.errors import DeadlineError, EscError, SetupError
from esc_cli.files.http import Link
from esc_cli.tasks.models import Choice
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster.agreement import Greeting, versions
from esc_cli.tasks.upscale.cluster.crew import Crew
from esc_cli.tasks.upscale.cluster.films import Attempt, Film, attempts
from esc_cli.tasks.upscale.cluster.ray_cluster import Heard, Idle, Lost, Place, RayCluster
from esc_cli.tasks.upscale.cluster.shared_folders import marked, unmoved
from esc_cli.tasks.upscale.cluster.worker import Brief
from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions

MOST_LOSSES = 3
"""Workers that may be lost with an item before it has failed."""
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
    _coming: Iterator[Attempt] = field(default_factory=lambda: iter(()))
    _queue: deque[Attempt] = field(default_factory=deque)
    _at_work: dict[Place, Attempt] = field(default_factory=dict)

    @contextmanager
    def prepared(self, networks: Iterable[Choice]) -> Iterator[None]:
        """Within, the cluster is joined. Raises as `RayCluster`."""
        self._networks = tuple(networks)
        with closing(RayCluster(self.address)) as self._cluster:
            yield

    def run(self, jobs: Sequence[Job]) -> Iterator[ItemEvent]:
        """The items of the jobs as they finish, and what is to be told of workers.

        After a signal it ends at once: what workers have not written whole is done by the next run.
        """
        cluster = self._cluster
        if cluster is None:
            raise ValueError("the cluster must be joined first")
        places = cluster.places(self.options.engine.device)
        self._coming = attempts(jobs, self.options, max(1, len(places)))
        self._refill()
        with marked(jobs) as sight:
            networks = tuple(_network_from_anywhere(one) for one in self._networks)
            crew = Crew(cluster, Brief(_portable(self.options), networks, sight), versions())
            while not self.stop and (self._at_work or (self._queue and self._goes_on())):
                self._hand_out(cluster, crew)
                for place, heard in cluster.hear(TICK_S):
                    yield from self._heard(crew, place, heard)
                crew.admit()
                yield from crew.notes()

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
                job = _from_anywhere(attempt.job)
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
        """Drop what is no longer needed, and take more of the items to come."""
        while self._queue and not self._queue[0].is_needed:
            self._queue.popleft()
        self._queue.extend(islice(self._coming, max(0, AHEAD - len(self._queue))))

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
            self._queue.extend(attempt.end())
        elif isinstance(heard, DeadlineError):
            self.late = self.late or heard
        elif isinstance(heard, (Lost, EscError)):
            del self._at_work[place]
            crew.lose(place, heard.reason if isinstance(heard, EscError) else "")
            yield from self._again(attempt, place, heard)
        elif not isinstance(heard, Greeting):
            yield from attempt.hear(_as_here(heard, attempt.job))

    def _again(self, attempt: Attempt, place: Place, lost: Lost | EscError) -> Iterator[ItemEvent]:
        """Put an item back, or end it: with an error of the machines the batch ends, too."""
        attempt.nodes.append(place.node)
        if attempt.told:
            self._queue.extend(attempt.end())
            return
        if len(attempt.nodes) < MOST_LOSSES:
            self._queue.appendleft(attempt)
        elif isinstance(lost, EscError):
            self.fatal = self.fatal or lost
        else:
            what = f"{MOST_LOSSES} workers were lost with it, the last on {place.host}"
            yield from attempt.hear(item_of(attempt.job, "failed", f"{what}: {lost.reason}"))


def _portable(options: UpscaleOptions) -> UpscaleOptions:
    """Whether connections are allowed is what goes along; who watches them stays here."""
    model = options.model
    if model is not None and looks_like_path(model):
        model = str(unmoved(Path(model)))
    return replace(
        options, model=model, supply=Supply(Link(offline=options.supply.link.is_offline))
    )


def _network_from_anywhere(choice: Choice) -> Choice:
    photo = choice.photo and _network_from_anywhere(choice.photo)
    checkpoint = replace(choice.checkpoint, path=unmoved(choice.checkpoint.path))
    return replace(choice, checkpoint=checkpoint, photo=photo)


def _from_anywhere(job: Job) -> Job:
    """The job with paths that mean the same where the working folder is another."""
    folder = job.source.folder
    source = replace(
        job.source,
        path=unmoved(job.source.path),
        folder=None if folder is None else unmoved(folder),
    )
    return replace(
        job,
        source=source,
        choice=job.choice and _network_from_anywhere(job.choice),
        root=unmoved(job.root),
        output=unmoved(job.output),
    )


def _as_here(event: ItemEvent, job: Job) -> ItemEvent:
    """The event with the paths that the user gave."""
    if isinstance(event, Item):
        return replace(event, input=job.source.path, output=job.output)
    return replace(event, input=job.source.path)
