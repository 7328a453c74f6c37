"""Texts of the command line as values."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from esc_cli.engine.options import WHOLE
from esc_cli.errors import UsageError


def tile_side(text: str) -> int | None:
    """None for auto, WHOLE for whole, else the number. Raises UsageError."""
    if text in ("auto", "whole"):
        return None if text == "auto" else WHOLE
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise UsageError(f"--tile {text!r} is no number of pixels", advice="or auto, or whole")


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a comma-separated list, in order, without blanks and repetitions."""
    parts = (part.strip() for part in (text or "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def scales(text: str) -> tuple[int, ...]:
    """Whole scales from a list such as "2,3,4". Raises UsageError."""
    found = names(text)
    if not found or not all(part.isdecimal() and int(part) > 0 for part in found):
        raise UsageError(f"--scale {text!r} is no list of whole scales", advice="e.g. 2,3,4")
    return tuple(int(part) for part in found)


def seconds_left(deadline: str | None, max_minutes: float | None, now: datetime) -> float | None:
    """Seconds that a batch has, None for no limit: until the next HH:MM, or so many minutes.

    Raises UsageError for what is no time of the day, and for no time at all.
    """
    limits = []
    if max_minutes is not None:
        if not 0 < max_minutes < float("inf"):
            raise UsageError(f"--max-minutes cannot be {max_minutes:g}")
        limits.append(max_minutes * 60)
    if deadline is not None:
        match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", deadline)
        if match is None:
            raise UsageError(f"--deadline {deadline!r} is no time of the day", advice="e.g. 06:00")
        end = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        limits.append(((end if end > now else end + timedelta(days=1)) - now).total_seconds())
    return min(limits, default=None)
