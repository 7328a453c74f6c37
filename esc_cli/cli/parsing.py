"""Texts of the command line as values."""

from __future__ import annotations

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
