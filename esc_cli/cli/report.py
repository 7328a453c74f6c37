"""`esc report`: what the reports of runs say together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.configured import ConfiguredCommand
from esc_cli.cli.parsing import MAX_PIXELS
from esc_cli.tasks import defaults

MERGE_EPILOG = (
    "Exit codes: 0 all done; 1 an input failed, or a share has not ended; otherwise the worst of "
    "the shares: 3 the environment, 2 wrong usage, 130 and 143 stopped, 75 out of time."
)

report_app = typer.Typer(
    help="Read what esc upscale --report wrote.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@report_app.callback()
def report_command() -> None:
    """Read what esc upscale --report wrote."""


@report_app.command("html", cls=ConfiguredCommand)
def html_command(
    reports: Annotated[
        list[Path], typer.Argument(help="Files of esc upscale --report.", metavar="REPORT...")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The page, .html.")],
    limit: Annotated[
        int, typer.Option(min=1, help="The most pictures that the page shows.")
    ] = defaults.COMPARED_PICTURES,
    max_pixels: Annotated[int, MAX_PIXELS()] = defaults.MAX_PIXELS,
) -> None:
    """Write a page with a slider for each result, failures with their reasons, and totals."""
    from esc_cli.cli.console import command_line
    from esc_cli.tasks.report.gallery import GalleryOptions, gallery_of_reports

    options = GalleryOptions(output, limit, max_pixels, command_line())
    gallery_of_reports(reports, options)


@report_app.command("merge", cls=ConfiguredCommand, epilog=MERGE_EPILOG)
def merge_command(
    reports: Annotated[
        list[Path], typer.Argument(help="Files of esc upscale --report.", metavar="REPORT...")
    ],
    json_: Annotated[bool, typer.Option("--json", help="JSON on stdout.")] = False,
) -> None:
    """Give the totals of several reports, and the one exit code of an array of jobs."""
    import json
    from dataclasses import asdict

    from esc_cli.cli.console import print_line, print_result
    from esc_cli.errors import shown
    from esc_cli.tasks.report.merge import merge

    merged = merge(reports)
    for name, reason in merged.failures:
        print_line(f"failed: {shown(name)}: {reason}", "red")
    for share in merged.open_shares:
        print_line(f"share {share} has not ended: run it again", "red")
    left = f", {merged.left} left" if merged.left else ""
    counts = f"{merged.done} done, {merged.skipped} skipped, {len(merged.failures)} failed"
    print_line(f"{counts}{left}")
    if json_:
        print_result(json.dumps(asdict(merged), indent=1))
    raise typer.Exit(merged.exit_code)
