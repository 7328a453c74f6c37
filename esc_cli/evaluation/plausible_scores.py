"""Whether the scores of a benchmark set can be those of the pictures that papers mean.

Archives are in circulation whose HR pictures are enlarged LR pictures: every method scores far
better on them than on photographs, and none of the figures compares with a paper's.
"""

from __future__ import annotations

from esc_cli.evaluation.published import ALIASES, SETS, published
from esc_cli.evaluation.results import Table

COUNTS = dict(zip(SETS, (5, 14, 100, 100, 109), strict=True))
"""Pictures of each whole set: a part of one may well be easier than all of it."""

# PSNR in dB on Y, border = scale: the rows of bicubic in the tables of RCAN (arXiv 1807.02758).
_BICUBIC = {
    2: (33.66, 30.24, 29.56, 26.88, 30.80),
    3: (30.39, 27.55, 27.21, 24.46, 26.95),
    4: (28.42, 26.00, 25.96, 23.14, 24.89),
}
_BEST_MODEL = "esc@dflip"
MARGIN_DB = 2.0
"""By how much a mean may be better than was ever printed: other borders and lumas give less."""


def doubt(table: Table) -> str:
    """Why the set is not the one of its name, "" if nothing speaks against it."""
    name = ALIASES.get(table.dataset.lower(), table.dataset)
    if name not in COUNTS or len(table.images) != COUNTS[name] or table.scale not in _BICUBIC:
        return ""
    for method in table.methods:
        mean, most = table.mean(method, "psnr_y"), _most(method, name, table.scale)
        if mean is not None and mean > most + MARGIN_DB:
            return (
                f"these cannot be the pictures of {name}: {method} has {mean:.2f} dB at "
                f"x{table.scale}, and {most:.2f} dB is the most that was printed; such scores come "
                "from HR pictures that are enlarged LR pictures (esc data pull fetches the set)"
            )
    return ""


def _most(method: str, dataset: str, scale: int) -> float:
    if method == "bicubic":
        return dict(zip(SETS, _BICUBIC[scale], strict=True))[dataset]
    return published(_BEST_MODEL, scale, dataset)["psnr_y"]
