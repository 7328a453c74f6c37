"""One record per checkpoint: what it is, where it came from, and how it can be verified.

A record is a JSON file beside its checkpoint, `<name>.json`, with the fields of `Record`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import WeightsError

SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
"""How the names of checkpoints end."""

_TEXT_FIELDS = ("name", "file", "variant", "sha256", "trained_on", "recipe", "licence")


@dataclass(frozen=True)
class Record:
    """What is known of a checkpoint.

    `sha256` is the hexadecimal digest of the file and `size_bytes` its length. `scores` holds
    PSNR (dB, Y, border = scale) and SSIM by benchmark set, e.g. ``{"Set5": {"psnr": 30.85}}``.
    `model` means it at every scale there is, "" for the variant; `purpose` is what it is for,
    "clean" or "photo", "" where nobody says.
    """

    name: str
    file: str
    variant: str
    scale: int
    sha256: str
    size_bytes: int
    trained_on: str
    recipe: str
    licence: str
    scores: dict[str, dict[str, float]]
    model: str = ""
    purpose: str = ""

    @property
    def names(self) -> frozenset[str]:
        """Everything that `--model` may call it."""
        return frozenset({self.name, self.model or self.variant, self.purpose} - {""})


def read_record(path: Path) -> Record:
    """The record in a JSON file. Raises WeightsError when it is damaged."""
    advice = "mend or remove it; if it came with esc, reinstall esc"
    try:
        fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if Path(fields["file"]).name != fields["file"]:
            what = "the record is damaged: its file is in another folder"
            raise WeightsError(what, path, advice)
        return Record(
            **{key: str(fields[key]) for key in _TEXT_FIELDS},
            scale=int(fields["scale"]),
            size_bytes=int(fields["bytes"]),
            scores={str(name): dict(values) for name, values in fields["scores"].items()},
            model=str(fields.get("model", "")),
            purpose=str(fields.get("purpose", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(f"the record is damaged: {_why(error)}", path, advice) from error


def _why(error: Exception) -> str:
    """What is wrong with a record, in words."""
    if isinstance(error, OSError):
        return f"it cannot be read: {error.strerror}"
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON from line {error.lineno}, column {error.colno} on"
    if isinstance(error, UnicodeDecodeError):
        return "it is no UTF-8"
    if isinstance(error, KeyError):
        return f"it has no field {error.args[0]!r}"
    return "a field is not what it must be"


def read_records(folder: Path) -> list[Record]:
    """All records of a folder, by variant, model and scale."""
    return sorted((read_record(path) for path in folder.glob("*.json")), key=_order)


def _order(record: Record) -> tuple[str, str, int]:
    return record.variant, record.model, record.scale


def read_own_records(folder: Path) -> tuple[list[Record], list[WeightsError]]:
    """The records of a user's folder, and the errors of those that are damaged.

    Other JSON files may lie there, too: one is a record when a checkpoint has the same name before
    its suffix.
    """
    try:
        found = sorted(folder.glob("*.json"))
    except OSError:  # a folder that is closed to us has nothing to offer
        return [], []
    records, damaged = [], []
    for path in found:
        try:
            record = sibling(path)
        except WeightsError as error:
            damaged.append(error)
            continue
        records += [record] if record else []
    return sorted(records, key=_order), damaged


def sibling(path: Path) -> Record | None:
    """The record that lies beside a checkpoint (or is at `path`), None if there is none."""
    written = path.with_suffix(".json")
    if not is_file(written) or not any(is_file(written.with_suffix(s)) for s in SUFFIXES):
        return None
    return read_record(written)


def is_file(path: Path) -> bool:
    """Whether a file is there, as far as anybody may see it."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises in a locked folder
