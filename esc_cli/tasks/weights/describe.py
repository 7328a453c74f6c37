"""`esc weights info`: what a checkpoint is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open

from esc_cli.checkpoints.catalog import Record, sibling
from esc_cli.checkpoints.loading import described, load_checkpoint
from esc_cli.checkpoints.store import Basis, Checkpoint, find, looks_like_path
from esc_cli.errors import UsageError
from esc_cli.model import Network, from_config
from esc_cli.model.config import variant_name
from esc_cli.tasks.weights.catalog import Scores, scores_of, source_of


@dataclass(frozen=True)
class Described:
    """What a checkpoint is. `path`, `size_bytes` and `sha256` are None when it is not here.

    `network` is the kind in words, `scale` 0 is any. `basis` is who said what the digest must be,
    and `intact` whether it is that, None when nobody did. `record` is the JSON record beside the
    file; `trained_on`, `licence`, `source` and `scores` come from it or from the release.
    `metadata` is what a .safetensors file says of itself.
    """

    name: str
    network: str
    variant: str
    scale: int
    parameters: int
    path: Path | None
    size_bytes: int | None
    sha256: str | None
    basis: Basis
    intact: bool | None
    trained_on: str
    licence: str
    source: str
    scores: Scores
    record: Record | None
    metadata: dict[str, str]


def describe(name_or_path: str, scale: int | None = None) -> Described:
    """What a file or a name is. A release that is not here is described without being fetched.

    Raises UsageError and WeightsError when it is nothing, damaged, or no ESC network.
    """
    if scale is not None and looks_like_path(name_or_path):
        raise UsageError("a file has its own scale", name_or_path, "leave --scale out")
    checkpoint = find(name_or_path, scale)
    network = _network(checkpoint)
    sha256 = checkpoint.sha256() if checkpoint.here else None
    if looks_like_path(name_or_path):
        checkpoint = Checkpoint(checkpoint.path, _record_beside(checkpoint.path))
    expected, basis = checkpoint.expected_sha256()
    one = checkpoint.record or checkpoint.release
    return Described(
        name=checkpoint.name,
        network=described(network.config),
        variant=variant_name(network.config),
        scale=network.config.scale,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        path=checkpoint.path if checkpoint.here else None,
        size_bytes=checkpoint.path.stat().st_size if checkpoint.here else None,
        sha256=sha256,
        basis=basis,
        intact=sha256 == expected if sha256 and expected else None,
        trained_on=one.trained_on if one else "",
        licence=_licence(checkpoint),
        source=source_of(checkpoint) if one else "",
        scores=scores_of(checkpoint)[0],
        record=checkpoint.record,
        metadata=_metadata(checkpoint),
    )


def _network(checkpoint: Checkpoint) -> Network:
    if checkpoint.release is None or checkpoint.here:
        return load_checkpoint(checkpoint)
    with torch.device("meta"):  # counted, never run
        return from_config(checkpoint.release.config)


def _record_beside(path: Path) -> Record | None:
    record = sibling(path)
    return record if record is not None and record.file == path.name else None


def _licence(checkpoint: Checkpoint) -> str:
    if checkpoint.record is not None:
        return checkpoint.record.licence
    return checkpoint.release.licence if checkpoint.release is not None else ""


def _metadata(checkpoint: Checkpoint) -> dict[str, str]:
    if not checkpoint.here or checkpoint.path.suffix.lower() != ".safetensors":
        return {}
    with safe_open(checkpoint.path, framework="np") as tensors:
        return dict(tensors.metadata() or {})
