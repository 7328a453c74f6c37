"""The sha256 of a checkpoint, kept beside it in the format of `sha256sum`. No torch."""

from __future__ import annotations

import re
from pathlib import Path

from esc_cli.errors import WeightsError
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import disk_errors


def digest_file(path: Path) -> Path:
    """Where the digest of a checkpoint is kept: `<name>.sha256` beside it."""
    return path.with_name(f"{path.name}.sha256")


def recorded_sha256(path: Path) -> str:
    """The digest that was recorded for a checkpoint, "" for none.

    Raises WeightsError when the record cannot be read.
    """
    kept = digest_file(path)
    try:
        text = kept.read_text("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        raise WeightsError(f"cannot be read: {error}", kept) from error
    found = re.fullmatch(r"([0-9a-f]{64})  ?\*?[^\n]+\n?", text)
    if found is None:
        raise WeightsError("holds no sha256", kept, "remove it, and verify the weights again")
    return found[1]


def record_sha256(path: Path, sha256: str) -> None:
    """Keep the digest of a checkpoint beside it. Raises DiskError when it cannot be written."""
    with disk_errors("choose a folder that can be written"):
        write_atomic(digest_file(path), f"{sha256}  {path.name}\n".encode())
