"""The memory of the host, as far as this process may take it. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import psutil

from esc_cli.engine.threads import own_cgroups


def total_bytes() -> int:
    """What the machine has, or the tightest of the control groups (v2) above this process."""
    return min([psutil.virtual_memory().total, *_of_cgroups(_limit)])


def free_bytes() -> int:
    """What of it can be taken now."""
    return min([psutil.virtual_memory().available, *_of_cgroups(_granted)])


def _of_cgroups(read: Callable[[Path], int | None]) -> list[int]:
    found = []
    for folder in own_cgroups():
        try:
            found.append(read(folder))
        except (OSError, ValueError):  # the root has no limits, nor do version 1 and others
            continue
    return [value for value in found if value is not None]


def _limit(folder: Path) -> int | None:
    limit = (folder / "memory.max").read_text().strip()
    return None if limit == "max" else int(limit)


def _granted(folder: Path) -> int | None:
    limit = _limit(folder)
    used = int((folder / "memory.current").read_text())
    stats = (line.split() for line in (folder / "memory.stat").read_text().splitlines())
    cached = next((int(value) for name, value in stats if name == "inactive_file"), 0)
    return None if limit is None else max(0, limit - used + cached)
