"""Whether the disks take the results of a batch, and their folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from esc_cli.errors import DiskError
from esc_cli.media.paths import ancestors
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions

DISK_SHARE = 0.6
"""Share of the estimate below which free space is too little; estimates err to both sides."""


def check_disk(jobs: Sequence[Job], options: UpscaleOptions) -> None:
    """Raise DiskError when an output folder cannot be written or has too little space."""
    homes: dict[Path, Path] = {}
    needs: dict[Path, int] = {}
    passing: dict[Path, int] = {}
    for job in jobs:
        folder = job.output.parent
        home = homes.get(folder)
        if home is None:
            home = homes[folder] = next(filter(os.path.exists, ancestors(job.output)))
        needs[home] = needs.get(home, 0) + job.disk_bytes + job.waiting_bytes(options)
        passing[home] = max(passing.get(home, 0), job.passing_bytes)
    by_device: dict[int, tuple[Path, int]] = {}
    for home, lasting in needs.items():
        need = lasting + passing[home]
        if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
            raise DiskError("cannot be written to", home, "choose another -o")
        device = home.stat().st_dev
        by_device[device] = (home, by_device.get(device, (home, 0))[1] + need)
    for home, need in by_device.values():
        free = shutil.disk_usage(home).free
        if free < need * DISK_SHARE:
            unit, name = (1e6, "MB") if need >= 1e7 else (1e3, "kB")
            what = (
                f"about {need / unit:,.0f} {name} are needed and {free / unit:,.0f} {name} are free"
            )
            raise DiskError(what, home, "free some space, or choose another -o")


def make_folders(jobs: Sequence[Job]) -> None:
    """Create the folders of the outputs. Raises DiskError where that fails."""
    folder = Path()
    try:
        for folder in dict.fromkeys(job.output.parent for job in jobs):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be created: {error.strerror}"
        raise DiskError(what, folder, "choose another -o") from error
