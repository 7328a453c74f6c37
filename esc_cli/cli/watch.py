"""`esc watch`: the options of `esc upscale` that make sense for what arrives, and a few more."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import typer

from esc_cli.cli.upscale import upscale_options
from esc_cli.tasks import defaults

EPILOG = (
    "Exit codes: 130 and 143 after SIGINT and SIGTERM, the usual end; 0 after --until-idle when "
    "all is done, 1 when something failed and is still there, or with --fail-fast; 2 wrong usage; "
    "3 the environment (weights, device, disk); 75 --deadline or --max-minutes reached."
)
_ONE_BATCH = (
    "include_outputs",
    "existing",
    "checksum",
    "cluster",
    "dry_run",
    "html",
    "input_format",
    "discard_unfinished",
    "in_place",
    "backup",
    "staging",
    "staging_limit",
)
"""Options of one batch, which mean nothing for those that never end."""
_PANEL = "Watching"


def _more(
    settle: Annotated[
        float,
        typer.Option(
            rich_help_panel=_PANEL, help="Seconds for which size and time of a file stand still."
        ),
    ] = defaults.SETTLE_S,
    poll: Annotated[
        bool,
        typer.Option(
            "--poll",
            rich_help_panel=_PANEL,
            help="Look by itself, for network shares without events.",
        ),
    ] = False,
    interval: Annotated[
        float, typer.Option(rich_help_panel=_PANEL, help="Seconds between two looks of --poll.")
    ] = defaults.LOOK_EVERY_S,
    until_idle: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_PANEL, help="End after so many seconds in which nothing was to do."
        ),
    ] = None,
) -> None: ...


def _parameters() -> list[inspect.Parameter]:
    """The options of both, with their types in place of the names of types."""
    own = inspect.signature(_more, eval_str=True).parameters.values()
    batch = inspect.signature(upscale_options, eval_str=True).parameters
    folders = Annotated[list[str], typer.Argument(help="Folders to watch.", metavar="FOLDER...")]
    kept = [
        one.replace(annotation=folders) if name == "inputs" else one
        for name, one in batch.items()
        if name not in _ONE_BATCH
    ]
    return [*kept, *own]


def watch_command(**values: Any) -> None:
    """Upscale pictures and videos as they arrive in a folder.

    A file is done once it stands still, and again when it has changed. What is finished already is
    left alone, as by esc upscale.
    """
    from esc_cli.cli import watch_run
    from esc_cli.tasks.watch.run import WatchOptions

    own = {name: values.pop(name) for name in inspect.signature(_more).parameters}
    options, how = upscale_options(**values)
    watched = WatchOptions(options, own["settle"], own["interval"], own["poll"], own["until_idle"])
    watch_run.run(watched, how)


# Typer reads the parameters off these two.
watch_command.__signature__ = inspect.Signature(_parameters())  # type: ignore[attr-defined]
watch_command.__annotations__ = {one.name: one.annotation for one in _parameters()}
