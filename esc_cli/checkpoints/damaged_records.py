"""Networks of the user's that a name would mean if their records could be read. No torch, as long
as they are safetensors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from esc_cli.checkpoints.catalog import SUFFIXES, is_file
from esc_cli.checkpoints.config_from_file import peek_config
from esc_cli.checkpoints.store import (
    Checkpoint,
    damaged_records,
    find_all,
    looks_like_path,
    user_folders,
)
from esc_cli.errors import WeightsError, shown
from esc_cli.model.config import NetworkConfig, variant_name


def overlooked(name: str | None) -> Iterator[WeightsError]:
    """An error for each damaged record because of which `name` means another network.

    It names the record, what is wrong with it, and the network that is taken instead. Raises what
    `find_all` raises for a name that means nothing.
    """
    if name is None or looks_like_path(name):
        return
    for error in damaged_records():
        config = None if error.path is None else _network_beside(error.path)
        if error.path is None or config is None or variant_name(config) != name:
            continue
        other = find_all(name).get(config.scale)
        if other is not None and not _comes_first(other, error.path):
            what = f"{error.what}; {name} x{config.scale} is {shown(other.path)} instead"
            yield WeightsError(what, error.path, error.advice)


def _network_beside(record: Path) -> NetworkConfig | None:
    """What the checkpoint of a record is; None when it cannot be used either."""
    for file in (record.with_suffix(suffix) for suffix in SUFFIXES):
        if is_file(file):
            try:
                return peek_config(Checkpoint(file))
            except WeightsError:
                return None
    return None


def _comes_first(other: Checkpoint, record: Path) -> bool:
    """Whether another network would be taken before that of a record even if it were whole."""
    folders = user_folders()
    own = other.path.parent
    return own in folders and folders.index(own) <= folders.index(record.parent)
