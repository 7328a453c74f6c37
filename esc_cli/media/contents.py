"""What the readers of the formats hand to `decode`: everything but the pixels."""

from __future__ import annotations

from dataclasses import dataclass

from esc_cli.media.picture import Header, Metadata


@dataclass(frozen=True)
class Contents:
    """A file's header and metadata.

    `orientation` (1 to 8) is what the reader's frames still need to be upright; `header` already
    counts it in. `durations_ms` and `loop` are as in `Picture`.
    """

    header: Header
    orientation: int
    metadata: Metadata
    durations_ms: tuple[float, ...] = ()
    loop: int | None = None
