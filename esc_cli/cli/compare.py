"""`esc compare`: parse, call the task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import MAX_PIXELS
from esc_cli.tasks import defaults


def compare_command(
    pictures: Annotated[
        list[Path], typer.Argument(help="Two or more pictures of one size.", metavar="A B...")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="compare.png, or compare.html with sliders.")
    ],
    hr: Annotated[Path | None, typer.Option(help="The reference, for differences.")] = None,
    max_pixels: Annotated[int, MAX_PIXELS()] = defaults.MAX_PIXELS,
) -> None:
    """Show pictures side by side, with the details in which they differ most."""
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli.console import command_line
    from esc_cli.tasks.compare import CompareOptions, compare

    compare(CompareOptions(tuple(pictures), output, hr, max_pixels, command_line()))
