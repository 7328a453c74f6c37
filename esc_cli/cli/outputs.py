"""Files that a command writes after hours of work: looked at before it starts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from esc_cli.errors import DiskError, UsageError


def check_outputs(files: Mapping[str, Path | None]) -> None:
    """Raise UsageError or DiskError for files, by the suffix they must have, that would fail."""
    for suffix, path in files.items():
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise UsageError(f"must end in {suffix}", path)
        if not os.path.isdir(path.parent):  # noqa: PTH112 - Path.is_dir raises when locked
            raise DiskError("its folder is not there", path)
        if not os.access(path.parent, os.W_OK | os.X_OK) or os.path.isdir(path):  # noqa: PTH112
            raise DiskError("cannot be written", path)
