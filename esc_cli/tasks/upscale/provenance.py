"""What a result says of how it came about: made from its job (`--provenance`)."""

from __future__ import annotations

from esc_cli.errors import shown
from esc_cli.media.provenance import Provenance
from esc_cli.tasks.models import Choice


def provenance_of(
    choice: Choice | None, settings: str, source_sha256: str, widths: tuple[int, int]
) -> Provenance:
    """The enlargement from the first to the second of two widths, through a network if any.

    `choice` is decided, `settings` those of the record. Nothing in it names a place or a time, so
    that the same run makes the same file.
    """
    return Provenance(
        model=None if choice is None else shown(choice.name),
        weights_sha256=None if choice is None else _weights(choice),
        scale=f"{widths[1] / widths[0]:.6g}",
        settings=settings,
        source_sha256=source_sha256,
    )


def _weights(choice: Choice) -> str | None:
    """The digest of the file of weights, of a blend of both files, with the share of the second."""
    if choice.photo is None or not choice.share:
        return choice.sha256 or None
    return f"{choice.sha256} + {choice.share:g} {choice.photo.sha256}"
