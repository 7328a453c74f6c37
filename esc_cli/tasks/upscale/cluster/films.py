"""Long videos of a batch on a cluster: each worker is handed a share of their segments.

The shares are those of `--shard-videos`: a worker that finds all segments finished joins them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from esc_cli.tasks.upscale.events import Item, ItemEvent
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.shard import Shard


@dataclass
class Film:
    """A video that several workers do: how many shares have not ended, and whether it was told."""

    left: int
    told: bool = False


@dataclass
class Attempt:
    """A job, or one share of it, the machines whose workers were lost with it, and whether its item
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
        """What of an event concerns the batch: of all shares of a video, one item."""
        if not isinstance(event, Item):
            yield event
            return
        is_first, self.told = not self.told, True
        if self.film is None:
            yield event
            return
        self.film.left -= is_first
        if event.status != "shared" and not self.film.told:
            self.film.told = True
            yield event

    def end(self) -> Iterator[Attempt]:
        """What is to be done once its worker is idle: all of a video that no share has joined."""
        film = self.film
        if film is not None and film.left == 0 and not film.told:
            film.told = True
            yield Attempt(self.job)


def attempts(jobs: Iterable[Job], options: UpscaleOptions, workers: int) -> Iterator[Attempt]:
    """The jobs in order; of a long video, if that is asked for, a share for each worker."""
    for job in jobs:
        if options.shard_videos and job.is_shared(sharing(options, Shard(1, workers))):
            film = Film(workers)
            for index in range(1, workers + 1):
                yield Attempt(job, share=Shard(index, workers), film=film)
        else:
            yield Attempt(job)


def sharing(options: UpscaleOptions, share: Shard | None) -> UpscaleOptions:
    """A worker's options, for one share of a video or for a whole item."""
    return replace(options, cluster=None, shard=share, shard_videos=share is not None)
