"""`esc weights`: the catalogue, fetching, verifying. No torch until a file must be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, pull, remember
from esc_cli.checkpoints.releases import RELEASES, SOURCE
from esc_cli.checkpoints.store import (
    IS_FOLDER,
    WEIGHTS,
    Basis,
    Checkpoint,
    bundled,
    cache_folder,
    damaged_records,
    find_all,
    folder_in_place,
    known,
    looks_like_path,
)
from esc_cli.errors import SetupError, UnreachableError, UsageError, WeightsError
from esc_cli.evaluation.published import SETS, published

NAMED = 4
"""How many networks a message names; the others are counted."""

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Listed:
    """A checkpoint that has a name.

    `default`: the bare name of its variant means it. `source` says where it is from, `url` where it
    can be fetched ("" for nowhere). `place` is "ESC_WEIGHTS", "cache", "bundled", or "" when it is
    not here; `path` and `size_bytes` are None then. `scores` hold PSNR (dB) and SSIM by set,
    `measured` by the record or else published in the paper.
    """

    name: str
    model: str
    variant: str
    scale: int
    default: bool
    trained_on: str
    source: str
    url: str
    place: str
    path: Path | None
    size_bytes: int | None
    scores: Scores
    measured: bool


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


@dataclass(frozen=True)
class Verified:
    """What verifying a file found. `basis`: who said what its sha256 must be, "" for nobody, and
    then it was loaded instead, and `recorded` is whether its digest could be kept. `problem` is ""
    for an intact file."""

    name: str
    path: Path
    basis: Basis
    problem: str = ""
    recorded: bool = False


def listing() -> tuple[Listed, ...]:
    """Every checkpoint that has a name, own and bundled ones first, then as published.

    Damaged records are left out; `damaged_records` of the store tells them. Raises WeightsError
    for an ESC_WEIGHTS that is no folder.
    """
    everything = list(known())
    first: dict[tuple[str, int | None], Checkpoint] = {}
    for checkpoint in everything:
        for name in checkpoint.names:
            first.setdefault((name, checkpoint.scale), checkpoint)
    order = {release: index for index, release in enumerate(RELEASES)}
    everything.sort(key=lambda c: order[c.release] if c.release else -1)
    return tuple(_listed(one, first) for one in everything)


def _listed(checkpoint: Checkpoint, first: dict[tuple[str, int | None], Checkpoint]) -> Listed:
    scores, measured = scores_of(checkpoint)
    variant, trained_on = _origin(checkpoint)
    here = checkpoint.here
    return Listed(
        checkpoint.name,
        checkpoint.model,
        variant,
        checkpoint.scale or 0,
        first.get((variant, checkpoint.scale)) == checkpoint,
        trained_on,
        source_of(checkpoint),
        checkpoint.release.url if checkpoint.release else "",
        _place(checkpoint) if here else "",
        checkpoint.path if here else None,
        checkpoint.path.stat().st_size if here else None,
        scores,
        measured,
    )


def _place(checkpoint: Checkpoint) -> str:
    if checkpoint in bundled():
        return "bundled"
    return "cache" if checkpoint.path.parent == cache_folder() else WEIGHTS


def _origin(checkpoint: Checkpoint) -> tuple[str, str]:
    """Variant, and what it was trained on; "" for a file without record."""
    one = checkpoint.record or checkpoint.release
    return (one.variant, one.trained_on) if one else ("", "")


def source_of(checkpoint: Checkpoint) -> str:
    """Where a checkpoint comes from, in a few words."""
    if checkpoint.release is not None:
        return SOURCE
    return "bundled" if checkpoint in bundled() else "own"


def scores_of(checkpoint: Checkpoint) -> tuple[Scores, bool]:
    """Scores by set, and whether they were measured; else they are the paper's."""
    if checkpoint.record is not None:
        return checkpoint.record.scores, True
    release, found = checkpoint.release, {}
    for name in SETS if release else ():
        values = published(release.model, release.scale, name) if release else {}
        if values:
            found[name] = {key.removesuffix("_y"): value for key, value in values.items()}
    return found, False


def pull_all(
    names: tuple[str, ...], scale: int | None, supply: Supply = SILENT_SUPPLY
) -> Iterator[PullEvent]:
    """Have checkpoints here, by name at one scale or at all they have; no names are all of them.

    Raises UsageError and WeightsError for names and scales before any work; one that cannot be had
    is an event. A server that never answered is asked for no further file. All that only lack a
    connection are one event, the last.
    """
    wanted = _named(names, scale) if names else _published(scale)
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
    found = [one for one in known() if one.release and scale in {None, one.scale}]
    if not found:
        raise UsageError(f"nothing is published for x{scale}", advice="see esc weights list")
    return found


def _named(names: tuple[str, ...], scale: int | None) -> list[Checkpoint]:
    found: dict[Path, Checkpoint] = {}
    for name in names:
        if looks_like_path(name):
            advice = "esc weights info describes and checks files; for names see esc weights list"
            raise UsageError("is a file, not a name", name, advice)
        scales = find_all(name)
        if scale is not None and scale not in scales:
            there = ", ".join(f"x{one}" for one in sorted(filter(None, scales)))
            raise UsageError(f"there is no x{scale} of {name}", advice=f"it exists as {there}")
        chosen = scales.values() if scale is None else [scales[scale]]
        found |= {checkpoint.path: checkpoint for checkpoint in chosen}
    return list(found.values())


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


def verify(names: tuple[str, ...]) -> Iterator[Verified]:
    """Compare the files of these names, or all that are here, with what they must be.

    Where no digest is known the file is loaded, must be the promised network, and its digest is
    recorded. Without names, a record that cannot be read is a problem, too. Raises UsageError for
    a name that has no file here.
    """
    for error in [] if names else damaged_records():
        path = error.path or cache_folder()
        yield Verified(path.name, path, "", error.reason)
    named = _named(names, None) if names else list(known())
    folders = [(one.name, place) for one in named if (place := folder_in_place(one))]
    for name, place in folders:
        yield Verified(name, place, "", IS_FOLDER)
    here = [checkpoint for checkpoint in named if checkpoint.here or checkpoint.release is None]
    if not here and not folders:
        what = f"not here: {', '.join(checkpoint.name for checkpoint in named)}"
        raise UsageError(what, advice="see esc weights pull")
    for checkpoint in here:
        yield _verified(checkpoint)


def _verified(checkpoint: Checkpoint) -> Verified:
    name, path = checkpoint.name, checkpoint.path
    basis: Basis = ""
    try:
        _, basis = checkpoint.expected_sha256()
        return Verified(name, path, basis, recorded=confirm(checkpoint))
    except WeightsError as error:
        return Verified(name, path, basis, error.reason)


def confirm(checkpoint: Checkpoint) -> bool:
    """Compare a file with its digest; without one load it, and return whether it was recorded.

    Raises WeightsError when it is not what it must be.
    """
    if checkpoint.expected_sha256()[0]:
        checkpoint.read_verified()
        return False
    from esc_cli.checkpoints.loading import load_checkpoint

    load_checkpoint(checkpoint)
    return remember(checkpoint)
