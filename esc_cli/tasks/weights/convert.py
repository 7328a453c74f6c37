"""`esc weights convert`: any checkpoint as a .safetensors file that says what it is."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from esc_cli.checkpoints.catalog import read_record
from esc_cli.checkpoints.fetch import SILENT_SUPPLY, Supply, obtain
from esc_cli.checkpoints.store import Checkpoint, find, looks_like_path
from esc_cli.errors import DiskError, UsageError, WeightsError
from esc_cli.files.targets import check_target, write_together
from esc_cli.model.config import variant_name

Fate = Literal["", "rewritten", "removed"]
"""What became of the record of an output that was replaced; "" where there was none."""


@dataclass(frozen=True)
class Converted:
    """The file that was written; `scale` 0 is any."""

    path: Path
    variant: str
    scale: int
    sha256: str
    size_bytes: int
    record: Fate = ""


@dataclass(frozen=True)
class Conversion:
    """What to write where. `key`: which weights of a .pth, None for params_ema if it is there."""

    source: str
    target: Path
    scale: int | None = None
    key: str | None = None
    overwrite: bool = False


def convert(wanted: Conversion, supply: Supply = SILENT_SUPPLY) -> Converted:
    """Write the tensors of a file, or of a name, as .safetensors, with variant and scale in it.

    Values and number format stay as they are; the same input gives the same bytes. The record of
    an output that is replaced is rewritten when the output is the input, else removed. Raises
    UsageError for a target of another kind or one that exists, WeightsError when the source is no
    ESC network or lacks the key, DiskError, before work, when the target cannot be written.
    """
    _check(wanted)
    from esc_cli.checkpoints.loading import network_from_state, read_state, to_safetensors

    checkpoint = obtain(find(wanted.source, wanted.scale), supply)
    state = read_state(checkpoint, wanted.key)
    try:
        config = network_from_state(state).config
    except WeightsError as error:
        raise WeightsError(error.what, checkpoint.path, error.advice) from error
    variant = variant_name(config)
    content = to_safetensors(state, {"variant": variant, "scale": str(config.scale)})
    fate = _write(wanted.target, content, checkpoint)
    sha256 = hashlib.sha256(content).hexdigest()
    return Converted(wanted.target, variant, config.scale, sha256, len(content), fate)


def _check(wanted: Conversion) -> None:
    if wanted.scale is not None and looks_like_path(wanted.source):
        raise UsageError("a file has its own scale", wanted.source, "leave --scale out")
    target = wanted.target
    if target.suffix.lower() != ".safetensors":
        raise UsageError("must end in .safetensors", target)
    check_target(target)
    taken = [target] if os.path.lexists(target) else []
    taken += [_record_of(target)] if _has_record(target) else []
    if taken and not wanted.overwrite:
        raise UsageError("exists already", taken[0], "choose another name, or give --overwrite")


def _record_of(target: Path) -> Path:
    return target.with_suffix(".json")


def _has_record(target: Path) -> bool:
    """Whether the JSON file beside a checkpoint is its record, and not another one's or none."""
    try:
        return read_record(_record_of(target)).file == target.name
    except WeightsError:
        return False


def _write(target: Path, content: bytes, source: Checkpoint) -> Fate:
    record = _record_of(target)
    if not _has_record(target):
        write_together({target: content})
        return ""
    if target.exists() and source.path.samefile(target) and _fits(record, source):
        write_together({target: content, record: _renewed(record, content)})
        return "rewritten"
    write_together({target: content})
    try:
        record.unlink()
    except OSError as error:
        what = f"the record of the file before cannot be removed: {error.strerror}"
        raise DiskError(what, record, "remove it") from error
    return "removed"


def _fits(record: Path, source: Checkpoint) -> bool:
    return read_record(record).sha256 == source.sha256()


def _renewed(record: Path, content: bytes) -> bytes:
    """The record with the digest and the length of the new file; all else stays as it is."""
    fields = json.loads(record.read_text("utf-8"))
    fields |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    return (json.dumps(fields, indent=2, ensure_ascii=False) + "\n").encode()
