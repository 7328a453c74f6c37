"""The reports of several machines as one: totals, what failed, and one exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from esc_cli.errors import UsageError
from esc_cli.files.jsonl import read_lines
from esc_cli.tasks.upscale.events import BEGUN, ENDED

WORST_FIRST = (3, 2, 1, 143, 130, 75)
"""Exit codes by what needs looking at first: the machine, the command, pictures, stops, time."""


NOT_JOINED = "its segments are not joined yet: run once more, with or without shares"


@dataclass(frozen=True)
class Merged:
    """What reports say together.

    done, skipped, failed: inputs by the last line that tells of each. failures: (input, reason).
    left: inputs that the shares did not come to. open_shares: those that have not ended, or that
    no report tells of, as i/n. exit_code: 0 if all is done.
    """

    done: int
    skipped: int
    failures: tuple[tuple[str, str], ...]
    left: int
    open_shares: tuple[str, ...]
    exit_code: int


def merge(paths: Iterable[Path]) -> Merged:
    """Read reports of `esc upscale --report`, in order; a later line replaces an earlier one.

    Raises UsageError for a file that cannot be read or is no report, and for reports of shares of
    different numbers.
    """
    items: dict[str, dict[str, Any]] = {}
    shares: dict[str, dict[str, Any]] = {}
    lines = [line for path in paths for line in lines_of(path)]
    of_several = {line["input"] for line in lines if line.get("status") == "shared"}
    for line in lines:
        if "share" in line:
            shares[str(line["share"])] = line
        elif line["input"] in of_several:
            items[line["input"]] = _better(items.get(line["input"], line), line)
        else:
            items[str(line["input"])] = line
    counts = Counter(str(item["status"]) for item in items.values())
    failures = tuple(
        (name, str(item.get("reason", "")) if item["status"] == "failed" else NOT_JOINED)
        for name, item in items.items()
        if item["status"] in ("failed", "shared")
    )
    unfinished = tuple(_open(shares))
    codes = {int(one["exit_code"]) for one in shares.values() if one["event"] == ENDED}
    codes |= {1} if failures or unfinished else set()
    return Merged(
        counts["done"],
        counts["skipped"],
        failures,
        sum(int(one["left"]) for one in shares.values() if one["event"] == ENDED),
        unfinished,
        next((code for code in WORST_FIRST if code in codes), max(codes, default=0)),
    )


def _better(earlier: dict[str, Any], line: dict[str, Any]) -> dict[str, Any]:
    """Which of two lines about a video that several share counts: that of the result."""
    return max(earlier, line, key=lambda one: _WORTH.index(one["status"]))


_WORTH = ("planned", "shared", "failed", "skipped", "done")


def lines_of(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a report: items, and what is told of shares. Raises as `merge`."""
    try:
        lines = read_lines(path)
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", path) from error
    told = [line for line in lines if _tells(line)]
    if len(told) < len(lines) or not told:
        what = "is no report of esc upscale" if lines or path.stat().st_size else "is empty"
        raise UsageError(what, path, "give what --report wrote")
    yield from told


def _tells(line: dict[str, Any]) -> bool:
    if "share" in line:
        return line.get("event") == BEGUN or {"exit_code", "left"} <= line.keys()
    return {"input", "status"} <= line.keys()


def _open(shares: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The shares that have not ended, of all that there must be."""
    if not shares:
        return
    numbers = {name.partition("/")[2] for name in shares}
    if len(numbers) > 1:
        what = f"the reports are of arrays of {' and of '.join(sorted(numbers))} shares"
        raise UsageError(what, advice="merge those of one array at a time")
    (count,) = numbers
    for index in range(1, int(count) + 1):
        name = f"{index}/{count}"
        if name not in shares or shares[name]["event"] != ENDED:
            yield name
