"""`esc compare`: parse, call the task, write the page or the sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.errors import UsageError


def compare_command(
    pictures: Annotated[
        list[Path], typer.Argument(help="Two or more pictures of one size.", metavar="A B...")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="compare.png, or compare.html with sliders.")
    ],
    hr: Annotated[Path | None, typer.Option(help="The reference, for differences.")] = None,
    max_pixels: Annotated[int, typer.Option(min=1, help="Refuse larger inputs.")] = 500_000_000,
) -> None:
    """Show pictures side by side, with the details in which they differ most."""
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli.evaluate_run import command_line
    from esc_cli.evaluation.html import Facts, render_comparison
    from esc_cli.files.atomic import write_atomic
    from esc_cli.files.targets import check_target
    from esc_cli.tasks.compare import compared_visual, comparison_png, read_compared
    from esc_cli.tasks.environment import environment_facts

    if len(pictures) < 2:
        raise UsageError("two pictures are needed to compare")
    if output.suffix.lower() not in {".png", ".html"}:
        raise UsageError("must end in .png or .html", output)
    if output.resolve() in {path.resolve() for path in (*pictures, *([hr] if hr else []))}:
        raise UsageError("is an input and would be overwritten", output)
    check_target(output)
    compared = read_compared(pictures, hr, max_pixels)
    if output.suffix.lower() == ".png":
        write_atomic(output, comparison_png(compared))
        return
    facts = Facts(f"esc compare: {compared.title}", command_line(), environment_facts())
    write_atomic(output, render_comparison([compared_visual(compared)], facts).encode())
