"""`esc verify`: parse, call the task, show what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = (
    "Exit codes: 0 all intact; 1 a result is missing, changed, without a record, or its source is "
    "another one now; 2 wrong usage, no records; 130 and 143 after SIGINT and SIGTERM."
)


def verify_command(
    folder: Annotated[Path, typer.Argument(help="Results of esc upscale.", metavar="FOLDER")],
    json_: Annotated[
        bool, typer.Option("--json", help="A line for each result, on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only what is wrong, on stderr.")] = False,
) -> None:
    """Compare results with their records, by content, and with the sources they were made from."""
    import json
    from collections import Counter
    from dataclasses import asdict

    from esc_cli.cli.console import print_line, print_result
    from esc_cli.cli.signals import stopping_on_signals
    from esc_cli.errors import shown
    from esc_cli.tasks.stop import Stop
    from esc_cli.tasks.verify import PROBLEMS, verify

    counts: Counter[str] = Counter()
    stop = Stop()
    with stopping_on_signals(stop):
        for one in verify(folder, stop):
            counts[one.state] += 1
            if json_:
                print_result(json.dumps(asdict(one) | {"path": str(one.path)}))
            if one.state in PROBLEMS:
                print_line(f"{shown(one.path)} {PROBLEMS[one.state]}", "red")
            elif one.state == "source gone" and not quiet:
                print_line(f"note: {shown(one.path)}: its source {shown(one.source)} is gone")
    bad = sum(counts[state] for state in PROBLEMS)
    if not quiet:
        print_line(f"{sum(counts.values()) - bad} intact, {bad} not")
    raise typer.Exit(1 if bad else 0)
