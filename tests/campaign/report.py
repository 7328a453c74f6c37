"""The outcomes of a campaign by format, as a table in Markdown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

COLUMNS = {
    "done": r"^$",
    "cut short": r"cut short",
    "damaged": r"damaged",
    "too large": r"more pixels|more than the limit|the result would be",
    "not supported": r"not supported|cannot hold|cannot be done",
    "no picture": r"not a picture|is empty",
}
"""Each with what its reasons have in them; the first that fits counts."""


def kind_of(reason: str) -> str:
    """The column of a reason."""
    return next((name for name, text in COLUMNS.items() if re.search(text, reason)), "other")


def table(rows: Sequence[tuple[str, str, bool]]) -> str:
    """Counts by format; the last column is in those before it already."""
    counts = Counter((name, kind_of(reason)) for name, reason, _ in rows)
    lenient = Counter(name for name, _, more in rows if more)
    columns = [*COLUMNS, "other"]
    lines = [["format", "pictures", *columns, "done by `--allow-truncated`"]]
    lines.append(["---"] + ["---:"] * (len(columns) + 2))
    for name in (*dict.fromkeys(name for name, _, _ in rows), "all"):
        own = [
            sum(n for (f, k), n in counts.items() if k == c and name in (f, "all")) for c in columns
        ]
        more = lenient[name] if name != "all" else lenient.total()
        lines.append([name, str(sum(own)), *(str(n) if n else "" for n in own), str(more or "")])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
