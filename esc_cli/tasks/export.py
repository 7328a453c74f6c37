"""`esc export`: a model in, a file for another runtime out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from esc_cli.checkpoints.config_from_file import peek_at_scale
from esc_cli.checkpoints.fetch import load_model
from esc_cli.checkpoints.store import find, find_all, looks_like_path, missing_scale
from esc_cli.engine.export import (
    SUFFIXES,
    ExportFormat,
    check_export,
    check_export_packages,
    check_exportable,
    export_bytes,
)
from esc_cli.errors import UsageError
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_target
from esc_cli.model.config import VARIANTS, variant_config

FORMATS: tuple[ExportFormat, ...] = get_args(ExportFormat)


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to. format None: by the output's suffix."""

    model: str
    output: Path
    format: str | None = None
    scale: int | None = None
    overwrite: bool = False


@dataclass(frozen=True)
class Exported:
    """A file that was written. difference: the largest from the network's own results."""

    path: Path
    format: str
    size_bytes: int
    difference: float


def export(options: ExportOptions) -> Exported:
    """Export, run the result, compare it with the network, and only then write it.

    Raises UsageError, WeightsError, MissingExtraError and DiskError before any work, and EscError
    when the result differs by more than 1e-4.
    """
    kind = _format(options)
    _check_output(options)
    _check_network(options.model, options.scale)
    check_export_packages(kind)
    network = load_model(options.model, options.scale)
    content = export_bytes(network, kind)
    difference = check_export(network, content, kind)
    write_atomic(options.output, content)
    return Exported(options.output, kind, len(content), difference)


def _format(options: ExportOptions) -> ExportFormat:
    suffix = options.output.suffix.lower()
    by_suffix = {own: kind for kind, own in SUFFIXES.items()}
    for kind in FORMATS:
        if options.format == kind:
            if suffix != SUFFIXES[kind]:
                raise UsageError(f"must end in {SUFFIXES[kind]} for {kind}", options.output)
            return kind
    if options.format is not None:
        raise UsageError(f"no format {options.format!r}", advice=", ".join(FORMATS))
    if suffix not in by_suffix:
        raise UsageError(f"must end in {', '.join(by_suffix)}", options.output)
    return by_suffix[suffix]


def _check_network(model: str, scale: int | None) -> None:
    """Raise UsageError for what is wrong whatever weights there are."""
    if model in VARIANTS:
        check_exportable(VARIANTS[model])
        variant_config(model, scale)
    if scale is None:
        return
    if looks_like_path(model):
        peek_at_scale(find(model), scale)
    elif scale not in (there := find_all(model)) and None not in there:
        error = missing_scale(model, scale)
        raise UsageError(error.what, advice=error.advice)


def _check_output(options: ExportOptions) -> None:
    output = options.output
    check_target(output)
    if os.path.lexists(output) and not options.overwrite:
        raise UsageError("exists already", output, "choose another -o, or --overwrite")
