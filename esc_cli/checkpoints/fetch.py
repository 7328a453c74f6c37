"""Published checkpoints fetched when they are asked for, and checked before they have a name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from esc_cli.checkpoints.catalog import is_file
from esc_cli.checkpoints.digests import record_sha256, recorded_sha256
from esc_cli.checkpoints.releases import Release
from esc_cli.checkpoints.store import Checkpoint, find, refuse_folder
from esc_cli.errors import DiskError, WeightsError
from esc_cli.files.download import Digest, Progress, download
from esc_cli.files.http import Link

if TYPE_CHECKING:
    from esc_cli.model import Network

Shown = Callable[[Release], AbstractContextManager[Progress]]
"""Shows a transfer: entered before it, left after it; what it yields is told the bytes."""

_PAGE_STARTS = (b"<!doctype html", b"<html")


@contextlib.contextmanager
def _unseen(_release: Release) -> Iterator[Progress]:
    yield lambda _done, _total: None


@dataclass(frozen=True)
class Supply:
    """How checkpoints that are not here are fetched, and who watches."""

    link: Link = field(default_factory=Link)
    shown: Shown = _unseen


SILENT_SUPPLY = Supply()


def obtain(checkpoint: Checkpoint, supply: Supply = SILENT_SUPPLY) -> Checkpoint:
    """The checkpoint, fetched if it is a release that is not here.

    Raises what `pull` raises.
    """
    if checkpoint.release is not None and not checkpoint.here:
        pull(checkpoint.release, checkpoint.path, supply)
    return checkpoint


def pull(release: Release, target: Path, supply: Supply = SILENT_SUPPLY) -> str:
    """Fetch a release into `target` unless it is there and intact; return its sha256.

    Where a digest was published, or recorded by an earlier pull, the file must have it. Otherwise
    it must be as long as the server says, load without running code, and hold exactly the keys and
    shapes of its network; its digest is then recorded beside it.

    Raises WeightsError when a folder has its name, or it is not here and connections are forbidden,
    SetupError when it cannot be had or is another file, DiskError when it cannot be written;
    nothing has the name then.
    """
    url = release.url
    refuse_folder(Checkpoint(target, release=release))
    if release.by_hand and not is_file(target):
        raise _by_hand(release, target)
    if supply.link.is_offline and not is_file(target):
        raise _forbidden(release, target)
    recorded = "" if release.sha256 else recorded_sha256(target)
    wanted = release.sha256 or recorded
    with supply.shown(release) as progress:
        sha256 = download(
            url,
            target,
            digest=Digest("sha256", wanted) if wanted else None,
            check=None if wanted else lambda part: _check(part, release, target),
            progress=progress,
            link=supply.link,
        )
    if not wanted:
        record_sha256(target, sha256)
    return sha256


def remember(checkpoint: Checkpoint) -> bool:
    """Record the digest of a release that was put there by hand, after it was loaded and fitted.

    Returns whether it was recorded: in a folder that cannot be written to it is not.
    """
    if checkpoint.release is None or checkpoint.expected_sha256()[0]:
        return False
    try:
        record_sha256(checkpoint.path, checkpoint.sha256())
    except DiskError:
        return False
    return True


def _forbidden(release: Release, target: Path) -> WeightsError:
    advice = (
        f"run esc weights pull {release.name} while connected, or fetch {release.url} elsewhere "
        "and put it there; or leave --offline and ESC_OFFLINE out"
    )
    what = f"{release.model} x{release.scale} is not here, and connections are forbidden"
    return WeightsError(what, target, advice)


def _by_hand(release: Release, target: Path) -> WeightsError:
    what = f"{release.model} x{release.scale} is not here, and its file's address is not known"
    return WeightsError(what, target, f"fetch {release.file} from {release.page} and put it there")


def _check(part: Path, release: Release, target: Path) -> None:
    """Raise WeightsError unless the file holds the release's network."""
    from esc_cli.checkpoints.loading import load_checkpoint

    with part.open("rb") as stream:
        start = stream.read(64).lstrip().lower()
    try:
        if start.startswith(_PAGE_STARTS):
            raise WeightsError("a web page; does the network ask for a login?")
        load_checkpoint(Checkpoint(part, release=release))
    except WeightsError as error:
        what = f"{release.url} is not the expected file: {error.what}"
        raise WeightsError(what, target, "nothing was kept; run it again, or report it") from error


def load_model(name_or_path: str | Path | None = None, scale: int | None = None) -> Network:
    """A network with its trained weights: float32, on the CPU, in evaluation mode.

    `name_or_path`: a model's name ("esc-tiny", "esc@dflip"; published ones are fetched when they
    are not here), a .safetensors or .pth file, or None for the bundled default. `scale`: the
    upscaling factor wanted; None takes the file's, or 4 for a name (the largest if it has no 4).
    Raises WeightsError when the file is missing, damaged, no ESC network, or of another scale,
    SetupError when it cannot be fetched.
    """
    from esc_cli.checkpoints.loading import load_checkpoint

    checkpoint = obtain(find(None if name_or_path is None else str(name_or_path), scale))
    network = load_checkpoint(checkpoint)
    remember(checkpoint)
    has = network.config.scale
    if scale is not None and not network.config.any_scale and has != scale:
        where = None if name_or_path is None else Path(name_or_path)
        raise WeightsError(f"upscales by {has}, but scale {scale} was asked for", where)
    return network
