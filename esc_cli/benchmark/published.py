"""The latency, memory and MACs that the paper prints, for one picture of 1280x720 as the result."""

from __future__ import annotations

from dataclasses import dataclass

SIZE = (720, 1280)
"""(height, width) of the result."""

NOTE = (
    "published: the paper's figures for 1280x720, batch 1, fp32, on the authors' GPU, "
    "which is not this machine's; only MACs and parameters compare"
)


@dataclass(frozen=True)
class PublishedSpeed:
    """Latency of a run in ms, peak memory in MB, MACs in 10^9 (None where not printed)."""

    latency_ms: float
    memory_mb: float
    gmacs: float | None = None


_TABLE = """
esc-fp    2  94.3 627 239.8
esc-light 2  73.2 830 359.4
esc       2 120.9 831 592.0
esc-fp    3  34.8 291 110.0
esc-light 3  25.2 384 162.8
esc       3  41.4 385 267.6
esc-fp    4  21.7 158  60.8
esc-light 4  13.3 213  91.0
esc       4  21.9 215 149.2
esc-real  4  59.9 715.9
esc-real@flashbias 4 51.1 730.2
"""


def published_speed(model: str, scale: int) -> PublishedSpeed | None:
    """The printed figures of a variant ("@flashbias" for that attention), or None."""
    for line in _TABLE.strip().split("\n"):
        name, factor, *figures = line.split()
        if (name, int(factor)) == (model, scale):
            return PublishedSpeed(*map(float, figures))
    return None
