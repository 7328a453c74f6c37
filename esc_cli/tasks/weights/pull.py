"""`esc weights pull`: networks fetched into the cache, and how any command fetches them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, pull
from esc_cli.checkpoints.releases import Release
from esc_cli.checkpoints.store import (
    Basis,
    Checkpoint,
    cache_folder,
    folder_in_place,
    known,
)
from esc_cli.errors import SetupError, UnreachableError, UsageError, WeightsError
from esc_cli.files.http import Link
from esc_cli.tasks.weights.catalog import confirm, named

__all__ = [
    "PullEvent",
    "PullFailed",
    "Pulled",
    "Supply",
    "Tell",
    "fetched_folder",
    "pull_all",
    "watched_supply",
]

NAMED = 4
"""How many networks a message names; the others are counted."""

Tell = Callable[[int, int | None], None]
"""Is told how many bytes are here, and their total where it is known."""


def watched_supply(
    watch: Callable[[str, str], AbstractContextManager[Tell]],
    told: Callable[[str], None],
    *,
    offline: bool,
) -> Supply:
    """How a command fetches networks that are not here.

    `watch` is given the network's name and address, is entered before a transfer and left after
    it, and yields what is told the bytes; `told` gets what a user should know while nothing moves.
    """

    def shown(release: Release) -> AbstractContextManager[Tell]:
        return watch(f"{release.model} x{release.scale}", release.url)

    return Supply(Link(offline=offline, told=told), shown)


def fetched_folder() -> Path:
    """The folder that fetched networks go to."""
    return cache_folder()


@dataclass(frozen=True)
class Pulled:
    """A checkpoint is at `path`; `fetched` is False when it was there already."""

    name: str
    path: Path
    sha256: str
    basis: Basis
    fetched: bool


@dataclass(frozen=True)
class PullFailed:
    """A checkpoint could not be fetched, or several for the same reason; the others go on."""

    names: tuple[str, ...]
    error: SetupError


PullEvent = Pulled | PullFailed


def pull_all(
    names: tuple[str, ...], scale: int | None, supply: Supply = SILENT_SUPPLY
) -> Iterator[PullEvent]:
    """Have checkpoints here, by name at one scale or at all they have; no names are all of them.

    Raises UsageError and WeightsError for names and scales before any work; one that cannot be had
    is an event. A server that never answered is asked for no further file. All that only lack a
    connection are one event, the last.
    """
    wanted = named(names, scale) if names else _published(scale)
    supply = replace(supply, link=replace(supply.link, given_up=set()))
    unconnected: list[PullFailed] = []
    for checkpoint in wanted:
        event: PullEvent
        try:
            event = _pulled(checkpoint, supply)
        except SetupError as error:
            event = PullFailed((checkpoint.name,), error)
            absent = not checkpoint.here and folder_in_place(checkpoint) is None
            forbidden = supply.link.is_offline and absent
            if forbidden or isinstance(error, UnreachableError):
                unconnected.append(event)
                continue
        yield event
    if unconnected:
        yield _together(unconnected, supply)


def _together(failures: list[PullFailed], supply: Supply) -> PullFailed:
    """Failures for want of a connection as one."""
    first, names = failures[0].error, tuple(name for one in failures for name in one.names)
    if len(names) == 1:
        return failures[0]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    count = f"{len(names)} networks are not here ({', '.join(names[:NAMED])}{more})"
    if supply.link.is_offline:
        what = f"{count}, and connections are forbidden"
        advice = "run this while connected, or elsewhere and copy its folder here"
        error: SetupError = WeightsError(what, cache_folder(), advice)
    else:
        error = UnreachableError(f"{count}: the first {first.what}", advice=first.advice)
    return PullFailed(names, error)


def _published(scale: int | None) -> list[Checkpoint]:
    every = (one for one in known() if one.release and (one.here or not one.release.by_hand))
    found = [one for one in every if scale in {None, one.scale}]
    if not found:
        raise UsageError(f"nothing is published for x{scale}", advice="see esc weights list")
    return found


def _pulled(checkpoint: Checkpoint, supply: Supply) -> Pulled:
    release, path = checkpoint.release, checkpoint.path
    before = path.stat().st_ino if checkpoint.here else None
    if release is None or (checkpoint.here and path.parent != cache_folder()):
        confirm(checkpoint)  # nothing to fetch, but it may be damaged
        sha256 = checkpoint.sha256()
    else:
        sha256 = pull(release, path, supply)
    fetched = before != path.stat().st_ino
    return Pulled(checkpoint.name, path, sha256, checkpoint.expected_sha256()[1], fetched)
