"""Long videos of a batch on a cluster: workers take seats at one, and its segments as they come.

A segment is of the first that comes to it, so that fast workers do more. Workers that are idle
later get a seat of their own. Once all segments are finished they are joined here (`joins.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain

from esc_cli.tasks.upscale.events import Item, ItemEvent, Progress, Remark
from esc_cli.tasks.upscale.job import Job, Settled, safest, smallest_tile
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.shard import Seat, Shard
from esc_cli.tasks.upscale.video.claims import Turn, stamp_of
from esc_cli.tasks.upscale.video.joining import Made


@dataclass(eq=False)
class Film:
    """A video that several workers do, in rounds: a further one where segments miss at the end.

    told: its item was. is_joining: it is joined now, so that seats find nothing to do. rounds: that
    were begun. run: letters that stand for one; before: of the result, as of a `Seat`.
    """

    job: Job
    told: bool = False
    is_joining: bool = False
    rounds: int = 0
    run: str = ""
    turns: list[Turn] = field(default_factory=list)
    _earlier: int = 0
    _seats: int = 0
    _taken: int = 0
    _ended: int = 0
    _remarks: set[str] = field(default_factory=set)
    _frames: dict[str, int] = field(default_factory=dict)
    _before: int = 1 << 62

    def __post_init__(self) -> None:
        """Look at the result, which may be that of an earlier run."""
        self.before = stamp_of(self.job.output)
        self._begin()

    def _begin(self) -> None:
        """A round, in which what workers took in an earlier one and did not do is free again."""
        self.rounds, self.run = self.rounds + 1, secrets.token_hex(4)
        self._taken, self._ended, self._earlier = 0, 0, len(self.turns)
        self.is_joining = False

    @property
    def is_open(self) -> bool:
        """Whether one more worker may find something to do: none has come to the end."""
        return not (self.told or self.is_joining or self._ended)

    @property
    def is_left(self) -> bool:
        """Whether all seats have come to the end, and nothing has become of it."""
        return not (self.told or self.is_joining) and self._ended == self._taken

    @property
    def whole(self) -> Turn | None:
        """What a seat has said that found all segments finished, if it can be joined now."""
        if self.told or self.is_joining:
            return None
        of_now = self.turns[self._earlier :]
        return next((turn for turn in of_now if not turn.missing), None)

    @property
    def made(self) -> Made:
        """What all seats have said of how segments were made."""
        seconds: dict[str, float] = {}
        for name, value in chain.from_iterable(turn.seconds.items() for turn in self.turns):
            seconds[name] = round(seconds.get(name, 0.0) + value, 4)
        devices = dict.fromkeys(turn.device for turn in self.turns if turn.seconds)
        return Made(
            seconds,
            smallest_tile([turn.tile for turn in self.turns if turn.tile is not None]),
            safest({turn.precision for turn in self.turns}),
            ", ".join(filter(None, devices)) or None,
            tuple(dict.fromkeys(note for turn in self.turns for note in turn.notes)),
        )

    def seat(self) -> Attempt:
        """A seat for one more worker."""
        self._seats += 1
        self._taken += 1
        own = Seat(self._seats, self._seats, self.run, self.before)
        return Attempt(self.job, share=own, film=self)

    def again(self) -> Attempt:
        """The first seat of a further round."""
        self._begin()
        return self.seat()

    def is_past(self, share: Shard | None) -> bool:
        """Whether a seat is of an earlier round."""
        return isinstance(share, Seat) and share.run != self.run

    def end(self, share: Shard | None, item: Item) -> None:
        """A seat has come to its end."""
        if not self.is_past(share):
            self._ended += 1
            self.turns += [item] if isinstance(item, Turn) else []

    def tell(self, item: Item) -> Item:
        """The item of the video, after which nothing more is told of it."""
        self.told, self.is_joining = True, False
        return item

    def news(self, share: Shard | None, event: Progress | Remark) -> Iterator[Progress | Remark]:
        """What of a word of a seat is to be told: how far all of them are, and each note once."""
        if isinstance(event, Progress):
            yield self._progress("" if share is None else share.name, event)
        elif event.text not in self._remarks:
            self._remarks.add(event.text)
            yield event

    def _progress(self, seat: str, own: Progress) -> Progress:
        """Frames of all seats. What a lost worker had in hand counts until another has done it."""
        self._frames[seat] = max(own.done_now, self._frames.get(seat, 0))
        now = sum(self._frames.values())
        self._before = min(self._before, own.done - own.done_now)
        done = self._before + now
        return replace(own, done=done if own.total is None else min(done, own.total), done_now=now)


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
        film = self.film
        return film is None or not (film.told or film.is_joining or film.is_past(self.share))

    def hear(self, event: ItemEvent) -> Iterator[ItemEvent]:
        """What of an event concerns the batch: of all seats at a video, one item."""
        film = self.film
        if not isinstance(event, Item):
            yield from [event] if film is None else film.news(self.share, event)
            return
        is_first, self.told = not self.told, True
        if film is None:
            yield event
            return
        if is_first:
            film.end(self.share, event)
        if event.status != "shared" and self.is_needed:
            yield film.tell(event)


def attempts(
    jobs: Iterable[Job | Settled], options: UpscaleOptions, workers: int
) -> Iterator[Attempt | Settled]:
    """The jobs in order; of a long video, if that is asked for, a seat for each worker."""
    for job in jobs:
        if isinstance(job, Settled):
            yield job
        elif options.shard_videos and job.is_shared(sharing(options, Shard(1, workers))):
            film = Film(job)
            for _ in range(workers):
                yield film.seat()
        else:
            yield Attempt(job)


def sharing(options: UpscaleOptions, share: Shard | None) -> UpscaleOptions:
    """A worker's options, for one seat at a video or for a whole item."""
    return replace(options, cluster=None, shard=share, shard_videos=share is not None)
