"""`esc compare`: parse, call the task."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import MAX_PIXELS
from esc_cli.errors import UsageError
from esc_cli.tasks import defaults


def compare_command(
    pictures: Annotated[
        list[Path],
        typer.Argument(
            help="Two or more pictures of one size, a folder of results, or two folders.",
            metavar="A B...",
        ),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="compare.png, or compare.html with sliders.")
    ],
    hr: Annotated[Path | None, typer.Option(help="The reference, for differences.")] = None,
    limit: Annotated[
        int, typer.Option(min=1, help="Of folders: the most pictures that a page shows.")
    ] = defaults.COMPARED_PICTURES,
    max_pixels: Annotated[int, MAX_PIXELS()] = defaults.MAX_PIXELS,
) -> None:
    """Show pictures side by side, with the details in which they differ most.

    A folder that esc upscale wrote is shown beside its sources, two folders by equal names.
    """
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli.console import command_line, print_line
    from esc_cli.tasks.compare import CompareOptions, compare
    from esc_cli.tasks.compare_folder import FolderOptions, compare_folders

    if all(path.is_dir() for path in pictures):
        if hr is not None:
            raise UsageError("--hr is for pictures, not for folders")
        options = FolderOptions(tuple(pictures), output, limit, max_pixels, command_line())
        told = compare_folders(options)
        for problem in told.problems:
            print_line(f"not shown: {problem}", "red")
        if told.left_out:
            print_line(f"{told.left_out} more are not on the page (--limit {limit})")
        raise typer.Exit(1 if told.problems else 0)
    compare(CompareOptions(tuple(pictures), output, hr, max_pixels, command_line()))
