"""How many threads torch may use: never more than the cores this process has."""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP_V2 = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Cores that this process may use: its affinity mask and its control group's quota, at least 1.

    More threads than that make small convolutions many times slower.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(cores or 1, *_quotas()))


def _quotas() -> list[int]:
    """Whole cores granted by the control groups (v2) from this process's own up to the root."""
    found = [_quota(folder / "cpu.max") for folder in own_cgroups()]
    return [cores for cores in found if cores is not None] or [os.cpu_count() or 1]


def own_cgroups() -> list[Path]:
    """Folders of this process's control group (v2) and of those above it, if there are any."""
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
    except OSError:
        return []
    own = next((line[3:] for line in lines if line.startswith("0::")), None)
    if own is None:
        return []
    folder = _CGROUP_V2 / own.lstrip("/")
    return [folder, *(up for up in folder.parents if up.is_relative_to(_CGROUP_V2))]


def _quota(path: Path) -> int | None:
    try:
        granted, period = path.read_text().split()
    except (OSError, ValueError):
        return None
    return None if granted == "max" else max(1, math.floor(int(granted) / int(period)))
