"""`esc verify`: parse, call the task, show what is wrong."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from esc_cli.cli.upscale import upscale_options

EPILOG = (
    "Exit codes: 0 all intact; 1 a result is missing, changed, without a record, made with other "
    "settings, or its source is another one now; 2 wrong usage, no records; 3 weights that are not "
    "known; 130 and 143 after SIGINT and SIGTERM."
)
MODEL = "model"
ASKED = (
    MODEL,
    "denoise",
    "scale",
    "width",
    "height",
    "longest_side",
    "shortest_side",
    "megapixels",
    "min_side",
    "format_",
    "quality",
    "provenance",
    "precision",
    "tile",
    "overlap",
    "self_ensemble",
    "codec",
    "crf",
    "preset",
    "pix_fmt",
    "start",
    "duration",
    "frames",
    "segment_frames",
    "deinterlace",
    "deinterlace_rate",
    "streams",
)
"""The options of `esc upscale` that decide a result: those that can be asked for."""


def _own(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Results of esc upscale.", metavar="FOLDER")],
    any_settings: Annotated[
        bool, typer.Option("--any-settings", help="Do not compare settings.")
    ] = False,
    json_: Annotated[
        bool, typer.Option("--json", help="A line for each result, on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only what is wrong, on stderr.")] = False,
) -> None: ...


def _parameters() -> list[inspect.Parameter]:
    """The own options, and those of a run that decide a result, with their types."""
    own = inspect.signature(_own, eval_str=True).parameters
    run = inspect.signature(upscale_options, eval_str=True).parameters
    return [*own.values(), *(run[name] for name in ASKED)]


def verify_command(**values: Any) -> None:
    """Compare results with their records, by content, and with the sources they were made from.

    Settings are compared with those that most results were made with, or with the options that are
    given, which are those of esc upscale.
    """
    import json
    from collections import Counter
    from dataclasses import asdict

    from esc_cli.cli.console import print_line, print_result
    from esc_cli.cli.signals import stopping_on_signals
    from esc_cli.errors import shown
    from esc_cli.tasks.stop import Stop
    from esc_cli.tasks.verify import PROBLEMS, verify

    folder, quiet = values["folder"], values["quiet"]
    counts: Counter[str] = Counter()
    stop = Stop()
    with stopping_on_signals(stop):
        for one in verify(folder, stop, _against(values)):
            counts[one.state] += 1
            if values["json_"]:
                print_result(json.dumps(asdict(one) | {"path": str(one.path)}))
            if one.state in PROBLEMS:
                print_line(f"{shown(one.path)} {one.problem}", "red")
            elif one.state == "source gone" and not quiet:
                print_line(f"note: {shown(one.path)}: its source {shown(one.source)} is gone")
    bad = sum(counts[state] for state in PROBLEMS)
    if not quiet:
        print_line(f"{sum(counts.values()) - bad} intact, {bad} not")
    raise typer.Exit(1 if bad else 0)


def _against(values: dict[str, Any]) -> Any:
    """What settings are compared with. Raises UsageError for options that exclude each other."""
    from esc_cli.errors import UsageError
    from esc_cli.tasks.verify import Against

    source = values["context"].get_parameter_source
    given = [name for name in ASKED if (one := source(name)) is None or one.name != "DEFAULT"]
    if values["any_settings"] and given:
        option = given[0].strip("_").replace("_", "-")
        raise UsageError(f"--any-settings and --{option} exclude each other")
    if not given:
        return Against(any_settings=values["any_settings"])
    asked = {name: values[name] for name in ASKED}
    options, _ = upscale_options(inputs=[str(values["folder"])], **asked)
    return Against(options, of_model=MODEL in given)


# Typer reads the parameters off these two.
verify_command.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
verify_command.__annotations__ = {one.name: one.annotation for one in _parameters()}
