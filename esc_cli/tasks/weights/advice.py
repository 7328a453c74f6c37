"""One line about better networks than the bundled ones, for whoever has a connection."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

import platformdirs

from esc_cli.checkpoints.catalog import Record
from esc_cli.checkpoints.store import bundled, find
from esc_cli.evaluation.decimals import PSNR_DIGITS
from esc_cli.evaluation.published import published
from esc_cli.files.http import is_offline

INTERVAL_S = 24 * 60 * 60
"""Least time between two such lines on one machine."""
_FIDELITY, _REAL = "esc@dflip", "esc-real"
# From the paper's table of no-reference metrics: MUSIQ, higher is better.
_REAL_FIGURE = "MUSIQ 62.98 on RealLQ250, where Real-ESRGAN+ has 62.51 (published)"


def better_weights(models: Iterable[str], *, offline: bool = False) -> str:
    """What to fetch for the kind of picture that most items were, and the published figure.

    `models`: the name of the network of each item, or their `Counter`. "" when most were not done
    by a bundled network, when the better one is here, and where nothing may be fetched.
    """
    names = Counter(models).most_common(1)
    records = {one.name: one.record for one in bundled()}
    record = records.get(names[0][0]) if names else None
    if record is None or offline or is_offline():
        return ""
    photo = record.purpose == "photo"
    name = _REAL if photo else _FIDELITY
    better = find(name, record.scale)
    if better.here:
        return ""
    figure = _REAL_FIGURE if photo else _psnr_figure(record)
    pull = f"esc weights pull {name} -s {better.scale}"
    return f"better for such pictures, with a GPU: {pull}, then --model {name}: {figure}"


def _psnr_figure(record: Record) -> str:
    there = published(_FIDELITY, record.scale, "Set5")["psnr_y"]
    here = record.scores["Set5"]["psnr"]
    what = f"{psnr_text(there)} dB on Set5 (published)"
    return f"{what}, where the bundled network has {psnr_text(here)}"


def is_due() -> bool:
    """Whether a day has gone by since this was last true, which is kept in the cache folder.

    False where that cannot be kept: silence is better than a line after every run.
    """
    stamp = platformdirs.user_cache_path("esc") / "better-weights-told"
    try:
        if stamp.exists() and 0 <= time.time() - stamp.stat().st_mtime < INTERVAL_S:
            return False
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.touch()
    except OSError:
        return False
    return True


def psnr_text(value: float) -> str:
    """A PSNR as tables have it, without its unit."""
    return f"{value:.{PSNR_DIGITS}f}"
