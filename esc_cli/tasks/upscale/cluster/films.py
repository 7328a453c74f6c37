"""Long videos of a batch on a cluster: workers take seats at one, and its segments as they come.

A segment is of the first that comes to it, so that fast workers do more; one that finds all of them
finished joins them. Workers that are idle later get a seat of their own.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.claims import stamp_of


@dataclass
class Film:
    """A video that several workers do: its seats, how many of them have ended, and whether its item
    was told. `run`: letters that stand for this run; `before`: of its result, as of a `Seat`."""

    job: Job
    seats: int = 0
    ended: int = 0
    told: bool = False
    run: str = field(default_factory=lambda: secrets.token_hex(4))

    def __post_init__(self) -> None:
        """Look at the result, which may be that of an earlier run."""
        self.before = stamp_of(self.job.output)

    @property
    def is_open(self) -> bool:
        """Whether one more worker may find something to do: none has come to the end."""
        return not (self.told or self.ended)

    def seat(self) -> Attempt:
        """A seat for one more worker."""
        self.seats += 1
        own = Seat(self.seats, self.seats, self.run, self.before)
        return Attempt(self.job, share=own, film=self)


@dataclass(eq=False)
class Attempt:
    """A job, or one seat at it, the machines whose workers were lost with it, and whether its item
    was told."""

    job: Job
    nodes: list[str] = field(default_factory=list)
    told: bool = False
    share: Shard | None = None
    film: Film | None = None

    @property
    def is_needed(self) -> bool:
        """Whether it may still lead to an item."""
        return self.film is None or not self.film.told

    def hear(self, event: ItemEvent) -> Iterator[ItemEvent]:
        """What of an event concerns the batch: of all seats at a video, one item."""
        if not isinstance(event, Item):
            yield event
            return
        is_first, self.told = not self.told, True
        if self.film is None:
            yield event
            return
        self.film.ended += is_first
        if event.status != "shared" and not self.film.told:
            self.film.told = True
            yield event

    def end(self) -> Iterator[Attempt]:
        """What is to be done once its worker is idle: all of a video that no seat has joined."""
        film = self.film
        if film is not None and film.ended == film.seats and not film.told:
            film.told = True
            yield Attempt(self.job)


def attempts(jobs: Iterable[Job], options: UpscaleOptions, workers: int) -> Iterator[Attempt]:
    """The jobs in order; of a long video, if that is asked for, a seat for each worker."""
    for job in jobs:
        if options.shard_videos and job.is_shared(sharing(options, Shard(1, workers))):
            film = Film(job)
            for _ in range(workers):
                yield film.seat()
        else:
            yield Attempt(job)


def sharing(options: UpscaleOptions, share: Shard | None) -> UpscaleOptions:
    """A worker's options, for one seat at a video or for a whole item."""
    return replace(options, cluster=None, shard=share, shard_videos=share is not None)
