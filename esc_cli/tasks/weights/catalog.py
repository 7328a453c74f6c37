"""`esc weights`: the catalogue, verifying. No torch until a file must be loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from esc_cli.checkpoints.fetch import remember
from esc_cli.checkpoints.releases import RELEASES
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
from esc_cli.errors import UsageError, WeightsError
from esc_cli.evaluation.published import SETS, published

Scores = dict[str, dict[str, float]]


PURPOSES = {
    "clean": "clean pictures; on any machine",
    "photo": "photographs; on any machine",
}
"""What the purposes of records are, in words."""


@dataclass(frozen=True)
class Listed:
    """A checkpoint that has a name.

    `default`: the bare name of its variant means it. `source` says where it is from, `url` where it
    can be fetched ("" for nowhere). `place` is "ESC_WEIGHTS", "cache", "bundled", or "" when it is
    not here; `path` and `size_bytes` are None then. `scores` hold PSNR (dB) and SSIM by set,
    `measured` by the record or else published in the paper. `purpose` is what it is for, in a few
    words, "" where nobody says.
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
    purpose: str


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

    Damaged records are left out; `left_out` tells them. Raises WeightsError for an ESC_WEIGHTS
    that is no folder.
    """
    everything = list(known())
    first: dict[tuple[str, int | None], Checkpoint] = {}
    for checkpoint in everything:
        for name in checkpoint.names:
            first.setdefault((name, checkpoint.scale), checkpoint)
    order = {release: index for index, release in enumerate(RELEASES)}
    everything.sort(key=lambda c: order[c.release] if c.release else -1)
    return tuple(_listed(one, first) for one in everything)


def left_out() -> tuple[str, ...]:
    """The records that the listing leaves out because they cannot be read, and why."""
    return tuple(map(str, damaged_records()))


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
        _purpose(checkpoint),
    )


def _purpose(checkpoint: Checkpoint) -> str:
    if checkpoint.release is not None:
        return checkpoint.release.purpose
    purpose = checkpoint.record.purpose if checkpoint.record else ""
    return PURPOSES.get(purpose, purpose)


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
        return checkpoint.release.source
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


def named(names: tuple[str, ...], scale: int | None) -> list[Checkpoint]:
    """The checkpoints of names, at one scale or at all that they have.

    Raises UsageError for a file, and for a scale that a name does not have.
    """
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


def verify(names: tuple[str, ...]) -> Iterator[Verified]:
    """Compare the files of these names, or all that are here, with what they must be.

    Where no digest is known the file is loaded, must be the promised network, and its digest is
    recorded. Without names, a record that cannot be read is a problem, too. Raises UsageError for
    a name that has no file here.
    """
    for error in [] if names else damaged_records():
        path = error.path or cache_folder()
        yield Verified(path.name, path, "", error.reason)
    wanted = named(names, None) if names else list(known())
    folders = [(one.name, place) for one in wanted if (place := folder_in_place(one))]
    for name, place in folders:
        yield Verified(name, place, "", IS_FOLDER)
    here = [checkpoint for checkpoint in wanted if checkpoint.here or checkpoint.release is None]
    if not here and not folders:
        what = f"not here: {', '.join(checkpoint.name for checkpoint in wanted)}"
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
