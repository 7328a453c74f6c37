"""`esc weights export`: the weights of a training run, scored, with their record."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from esc_cli.errors import UsageError
from esc_cli.tasks.evaluate.validation import prepare_validation, rounded
from esc_cli.training.export import Scores, Words, check_export, export, read_trained


@dataclass(frozen=True)
class ExportOptions:
    """Everything that `esc weights export` takes; see `esc weights export --help` for each.

    `trained_on` and `licence` are words for the record, "" for what is not known.
    """

    run: Path
    target: Path
    trained_on: str = ""
    licence: str = ""
    half: bool = False
    validate: tuple[str, ...] = ()
    data_roots: tuple[Path, ...] = ()
    device: str = "auto"
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """The files that were written, and the scores in the record."""

    weights: Path
    record: Path
    checkpoint: Path
    scores: Scores


def export_run(options: ExportOptions) -> Exported:
    """Export the averaged weights. Raises UsageError, WeightsError and DiskError."""
    check_export(options.target)
    if not options.overwrite:
        _refuse_existing(options.target)
    trained = read_trained(options.run)
    validation = prepare_validation(
        options.validate, options.data_roots, trained.recipe.validation_scale, options.device
    )
    if options.half:
        trained.network.half().float()
    scores = validation(trained.network)
    words = Words(options.trained_on, options.licence)
    record = export(trained, options.target, rounded(scores), words, half=options.half)
    return Exported(options.target, record, trained.path, scores)


def _refuse_existing(target: Path) -> None:
    for path in (target, target.with_suffix(".json")):
        if os.path.lexists(path):
            raise UsageError("exists already", path, "choose another name, or --overwrite")
