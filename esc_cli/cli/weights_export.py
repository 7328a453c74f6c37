"""`esc weights export`: the weights of a training run as a file for `--model`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import DATA, DATA_ROOT, DEVICE

EPILOG = (
    "Exit codes: 0 written, with its record; 2 wrong usage: no run there, an output that exists; "
    "3 the environment (a damaged checkpoint, an output that cannot be written, device); 1 a "
    "picture of --validate failed."
)


def weights_export_command(  # noqa: PLR0913, PLR0917 - Typer reads one parameter per option
    context: typer.Context,
    run: Annotated[
        Path, typer.Argument(help="Folder of a run (its newest checkpoint), or a file.")
    ],
    target: Annotated[Path, typer.Argument(help="The .safetensors file to write.")],
    half: Annotated[bool, typer.Option("--half", help="Store in half precision.")] = False,
    validate: Annotated[
        str | None, typer.Option(help="Sets to score on: Set5,Set14 or folders.")
    ] = None,
    data_root: Annotated[Path | None, DATA_ROOT(DATA)] = None,
    trained_on: Annotated[str, typer.Option(help="For the record: the pictures, in words.")] = "",
    licence: Annotated[str, typer.Option(help="For the record: the licence of the weights.")] = "",
    device: Annotated[str, DEVICE(text="For --validate: auto, cpu, cuda, cuda:1, mps.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the file and its record.")
    ] = False,
) -> None:
    """Export the averaged weights of a training run, with a record beside them."""
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli import parsing
    from esc_cli.cli.console import print_line, print_result
    from esc_cli.errors import shown
    from esc_cli.tasks.data.sets import searched_roots
    from esc_cli.tasks.evaluate.validation import printed
    from esc_cli.tasks.train.export import ExportOptions, export_run

    if validate is None:
        parsing.refuse_given(context, ("device", "data_root"), "belongs to --validate")
    done = export_run(
        ExportOptions(
            run=run,
            target=target,
            trained_on=trained_on,
            licence=licence,
            half=half,
            validate=parsing.names(validate),
            data_roots=searched_roots(data_root),
            device=device,
            overwrite=overwrite,
        )
    )
    print_line(f"from {shown(done.checkpoint)}")
    for name, values in done.scores.items():
        means = ", ".join(f"{label} {text}" for label, text in printed(values))
        print_line(f"{name}: {means}")
    print_result(shown(done.weights))
