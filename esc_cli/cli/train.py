"""`esc train`: parse, call the task, render its events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import DATA, DATA_ROOT, DEVICE, MAX_PIXELS, OFFLINE, SCALE
from esc_cli.tasks.defaults import MAX_PIXELS as MAX_PIXELS_DEFAULT
from esc_cli.tasks.train import defaults

EPILOG = (
    "Exit codes: 0 trained to the end; 1 a picture or a file failed, or the loss was no number; "
    "2 wrong usage; 3 the environment (weights, device, disk); 130 and 143 after SIGINT and "
    "SIGTERM, with a checkpoint saved."
)
RECIPE_HELP = (
    "esc, esc-light, esc-fp, esc-xl, esc-tiny, esc-tiny-photo, esc-light-photo, esc-real-mse, "
    "esc-real-gan, esc-lte, or a .toml file."
)
_RECIPE, _RUN = "Recipe", "Run"


def train_command(  # noqa: PLR0913, PLR0917 - Typer reads one parameter per option
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(help=RECIPE_HELP)],
    data: Annotated[
        Path, typer.Option("--data", "-d", rich_help_panel=DATA, help="Folder of pictures.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", rich_help_panel=_RUN, help="Folder of the run.")
    ],
    scale: Annotated[int | None, SCALE(_RECIPE, "2, 3 or 4.")] = None,
    iterations: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_RECIPE, help="Length of the run.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            rich_help_panel=_RECIPE, help="Length of the run, in one cycle; not with --iterations."
        ),
    ] = None,
    short: Annotated[
        bool,
        typer.Option("--short", rich_help_panel=_RECIPE, help="One cycle over --iterations."),
    ] = False,
    batch: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_RECIPE, help="Patches an iteration.")
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_RECIPE, help="LR pixels a side.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", rich_help_panel=_RECIPE, help="Any value: optimiser.learning_rate=1e-3."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(rich_help_panel=_RECIPE, help="Weights to begin with, a name or a file."),
    ] = None,
    convert_head: Annotated[
        bool,
        typer.Option("--convert-head", rich_help_panel=_RECIPE, help="Take --init at any scale."),
    ] = False,
    offline: Annotated[bool, OFFLINE(_RECIPE, "Fetch no --init (also ESC_OFFLINE=1).")] = False,
    vgg: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_RECIPE, help="VGG19's weights, for the perceptual loss."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, rich_help_panel=_RECIPE, help="Of all draws.")
    ] = None,
    data_lr: Annotated[
        Path | None,
        typer.Option(rich_help_panel=DATA, help="Folder of LR. Default: made by bicubic."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option(rich_help_panel=DATA, help="Decoded pictures. Default: OUT/cache."),
    ] = None,
    skip_damaged: Annotated[
        bool,
        typer.Option(
            "--skip-damaged", rich_help_panel=DATA, help="Leave out what cannot be used, by name."
        ),
    ] = False,
    max_pixels: Annotated[int, MAX_PIXELS(DATA)] = MAX_PIXELS_DEFAULT,
    validate: Annotated[
        str | None,
        typer.Option(rich_help_panel=DATA, help="Sets to score on: Set5,Set14 or folders."),
    ] = None,
    data_root: Annotated[Path | None, DATA_ROOT(DATA)] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=_RUN,
            help="auto: the newest checkpoint of OUT. Or a file: those after it are set aside.",
        ),
    ] = None,
    log_every: Annotated[
        int, typer.Option(min=1, rich_help_panel=_RUN, help="Iterations between log lines.")
    ] = defaults.LOG_EVERY,
    validate_every: Annotated[
        float, typer.Option(min=0, rich_help_panel=_RUN, help="Minutes between validations.")
    ] = defaults.VALIDATE_EVERY_MINUTES,
    save_every: Annotated[
        float, typer.Option(min=0, rich_help_panel=_RUN, help="Minutes between checkpoints.")
    ] = defaults.SAVE_EVERY_MINUTES,
    keep: Annotated[
        int, typer.Option(min=1, rich_help_panel=_RUN, help="Checkpoints that are kept.")
    ] = defaults.KEPT_CHECKPOINTS,
    device: Annotated[str, DEVICE(_RUN, "auto, cpu, cuda, cuda:1.")] = "auto",
    loader_threads: Annotated[
        int, typer.Option(min=1, rich_help_panel=_RUN, help="Threads that cut patches.")
    ] = defaults.LOADER_THREADS,
    compile_: Annotated[
        bool, typer.Option("--compile", rich_help_panel=_RUN, help="torch.compile the network.")
    ] = False,
    plot: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_RUN, help="Draw loss and PSNR as PNG."),
    ] = None,
) -> None:
    """Train a network on a folder of pictures."""
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli import parsing, train_run
    from esc_cli.cli.fetching import supply
    from esc_cli.tasks.data.sets import searched_roots
    from esc_cli.tasks.train.options import Changes, Intervals, TrainOptions, changed_recipe
    from esc_cli.tasks.train.run import tells

    if validate is None:
        parsing.refuse_given(context, ("data_root", "validate_every"), "belongs to --validate")
    if init is None:
        parsing.refuse_given(context, ("offline",), "belongs to --init")
    changes = Changes(scale, seed, batch, patch, iterations, minutes, short, settings or ())
    options = TrainOptions(
        recipe=changed_recipe(recipe, changes),
        data=data,
        out=out,
        data_lr=data_lr,
        cache=cache,
        skip_damaged=skip_damaged,
        init=init,
        convert_head=convert_head,
        vgg=vgg,
        resume=resume,
        validate=parsing.names(validate),
        data_roots=searched_roots(data_root),
        intervals=Intervals(log_every, validate_every, save_every, keep),
        max_pixels=max_pixels,
        device=device,
        loader_threads=loader_threads,
        compile=compile_,
        supply=supply(offline=offline, quiet=not tells()),
    )
    train_run.run(options, plot)
