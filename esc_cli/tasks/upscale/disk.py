"""Whether the disks take the results of a batch, and their folders."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from esc_cli.errors import DiskError
from esc_cli.media.paths import ancestors
from esc_cli.tasks.upscale.job import Job
from esc_cli.tasks.upscale.options import UpscaleOptions

DISK_SHARE = 0.6
"""Share of the estimate below which free space is too little; estimates err to both sides."""


class Needs:
    """What jobs need of the disks, summed up."""

    def __init__(self, options: UpscaleOptions) -> None:
        self._options = options
        self._homes: dict[Path, Path] = {}
        self._lasting: dict[Path, int] = {}
        self._passing: dict[Path, int] = {}

    def add(self, jobs: Iterable[Job]) -> None:
        """Count these, too."""
        lasting, passing = self._lasting, self._passing
        for job in jobs:
            folder = job.output.parent
            home = self._homes.get(folder)
            if home is None:
                home = next(filter(os.path.exists, ancestors(job.output)))
                self._homes[folder] = home
            need = job.disk_bytes + job.waiting_bytes(self._options)
            lasting[home] = lasting.get(home, 0) + need
            passing[home] = max(passing.get(home, 0), job.passing_bytes)

    def check(self, times: float = 1.0) -> None:
        """Raise DiskError when an output folder cannot be written or has too little space for them.

        `times`: what is multiplied, because these are a part of the jobs.
        """
        by_device: dict[int, tuple[Path, float]] = {}
        for home, lasting in self._lasting.items():
            need = lasting * times + self._passing[home]
            if not home.is_dir() or not os.access(home, os.W_OK | os.X_OK):
                raise DiskError("cannot be written to", home, "choose another -o")
            device = home.stat().st_dev
            by_device[device] = (home, by_device.get(device, (home, 0))[1] + need)
        for home, need in by_device.values():
            free = shutil.disk_usage(home).free
            if free < need * DISK_SHARE:
                unit, name = (1e6, "MB") if need >= 1e7 else (1e3, "kB")
                needed, left = f"{need / unit:,.0f} {name}", f"{free / unit:,.0f} {name}"
                what = f"about {needed} are needed and {left} are free"
                raise DiskError(what, home, "free some space, or choose another -o")


def check_disk(jobs: Iterable[Job], options: UpscaleOptions) -> None:
    """Raise DiskError when an output folder cannot be written or has too little space."""
    needs = Needs(options)
    needs.add(jobs)
    needs.check()


def make_folders(jobs: Iterable[Job]) -> None:
    """Create the folders of the outputs. Raises DiskError where that fails."""
    folder = Path()
    try:
        for folder in dict.fromkeys(job.output.parent for job in jobs):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"cannot be created: {error.strerror}"
        raise DiskError(what, folder, "choose another -o") from error
