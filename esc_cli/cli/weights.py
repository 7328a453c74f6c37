"""`esc weights`: list, fetch, verify, describe and convert checkpoints."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from esc_cli.cli.configured import ConfiguredCommand
from esc_cli.cli.parsing import OVERWRITE, SCALE, NeverConnect
from esc_cli.errors import UsageError

if TYPE_CHECKING:
    from esc_cli.tasks.weights.catalog import Listed, Verified
    from esc_cli.tasks.weights.describe import Described
    from esc_cli.tasks.weights.pull import PullEvent

PULL_EPILOG = (
    "Exit codes: 0 all there; 2 wrong usage; 3 one could not be had (network, disk, a wrong file). "
    "What a break leaves is resumed by the next call."
)
VERIFY_EPILOG = "Exit codes: 0 all intact; 1 a file is not; 2 wrong usage, nothing to verify."
INFO_EPILOG = "Exit codes: 0; 1 not the file of its record; 2 wrong usage; 3 no ESC network."
CONVERT_EPILOG = (
    "Exit codes: 0 written; 2 wrong usage, the output exists; 3 no ESC network, or the output "
    "cannot be written. The record of an output that is replaced is rewritten when it is the "
    "input itself, else removed."
)

weights_app = typer.Typer(
    help="The networks that esc knows: list, fetch, verify, describe, convert.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Scale = Annotated[int | None, SCALE(text="Of a name that has several.", least=1)]
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


@weights_app.command("list", cls=ConfiguredCommand)
def list_command(json_: _Json = False) -> None:
    """Show which networks there are, which are here, and what --model calls them."""
    from esc_cli.cli.console import print_line, print_result
    from esc_cli.tasks.weights.catalog import left_out, listing

    found = listing()
    for problem in left_out():
        print_line(f"left out: {problem}", "yellow")
    if json_:
        print_result(_as_json([dataclasses.asdict(one) for one in found]))
    else:
        _print_listing(found)


@weights_app.command("pull", cls=ConfiguredCommand, epilog=PULL_EPILOG)
def pull_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Such as esc, esc@dflip, esc-real.", metavar="NAME")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that are published.")] = False,
    scale: _Scale = None,
    offline: NeverConnect = False,
) -> None:
    """Fetch networks into the cache, at all their scales; what is here and intact is kept."""
    from esc_cli.cli.console import print_line
    from esc_cli.cli.fetching import supply
    from esc_cli.tasks.weights.pull import PullFailed, pull_all

    if names and every:
        raise UsageError("--all and names exclude each other", advice="leave one of them out")
    if not names and not every:
        raise UsageError("give names of networks, or --all", advice="see esc weights list")
    codes: list[int] = []
    failed = 0
    for event in pull_all(tuple(names or ()), scale, supply(offline=offline)):
        codes.append(_show_pulled(event))
        failed += len(event.names) if isinstance(event, PullFailed) else 0
    if failed and len(codes) > 1:
        total = failed + codes.count(0)
        print_line(f"{failed} of {total} networks could not be fetched", "bold red")
    raise typer.Exit(max(codes))


@weights_app.command("verify", cls=ConfiguredCommand, epilog=VERIFY_EPILOG)
def verify_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Default: all that are here.", metavar="NAME")
    ] = None,
) -> None:
    """Compare files with the sha256 of their publisher, their record, or their first use."""
    from esc_cli.cli.console import print_line
    from esc_cli.tasks.weights.catalog import verify

    intact = True
    for found in verify(tuple(names or ())):
        intact = intact and not found.problem
        print_line(_verdict(found), "bold red" if found.problem else "")
    raise typer.Exit(0 if intact else 1)


@weights_app.command("info", cls=ConfiguredCommand, epilog=INFO_EPILOG)
def info_command(
    name: Annotated[str, typer.Argument(help="A file, or a name.", metavar="FILE|NAME")],
    scale: _Scale = None,
    json_: _Json = False,
) -> None:
    """Show what a file or a name is: variant, scale, parameters, sha256, record."""
    from esc_cli.cli.console import print_result
    from esc_cli.tasks.weights.describe import describe

    found = describe(name, scale)
    if json_:
        print_result(_as_json(dataclasses.asdict(found)))
    else:
        for label, text in _facts(found):
            print_result(f"{label:<11} {text}")
    raise typer.Exit(1 if found.intact is False else 0)


@weights_app.command("convert", cls=ConfiguredCommand, epilog=CONVERT_EPILOG)
def convert_command(
    source: Annotated[str, typer.Argument(help="A file, or a name.", metavar="IN")],
    target: Annotated[Path, typer.Argument(metavar="OUT.safetensors")],
    key: Annotated[
        str | None,
        typer.Option(help="Which weights of a .pth file. Default: params_ema if it has them."),
    ] = None,
    scale: _Scale = None,
    overwrite: Annotated[bool, OVERWRITE()] = False,
    offline: NeverConnect = False,
) -> None:
    """Write a checkpoint as .safetensors, with its variant and scale in it."""
    from esc_cli.cli.console import print_line, print_result
    from esc_cli.cli.fetching import supply
    from esc_cli.errors import shown
    from esc_cli.tasks.weights.convert import Conversion, convert

    wanted = Conversion(source, target, scale, key, overwrite)
    done = convert(wanted, supply(offline=offline))
    size = f"{done.size_bytes / 1e6:.1f} MB"
    print_line(f"{shown(done.path)}: {done.variant} {_times(done.scale)}, {size}")
    if done.record:
        print_line(f"{shown(done.path.with_suffix('.json'))}: {_FATES[done.record]}")
    print_result(f"{done.sha256}  {shown(done.path)}")


_FATES = {
    "rewritten": "its record, now with the new sha256",
    "removed": "removed, because it was the record of the file before",
}


@weights_app.command("path", cls=ConfiguredCommand)
def path_command() -> None:
    """Print the folder that fetched networks go to."""
    from esc_cli.cli.console import print_result
    from esc_cli.tasks.weights.pull import fetched_folder

    print_result(str(fetched_folder()))


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str)


def _times(scale: int) -> str:
    return f"x{scale}" if scale else "any scale"


def _show_pulled(event: PullEvent) -> int:
    """A line for an event; the exit code that it asks for."""
    from esc_cli.cli.console import print_error, print_line, print_result
    from esc_cli.errors import shown
    from esc_cli.tasks.weights.pull import PullFailed

    if isinstance(event, PullFailed):
        print_error(event.error)
        return event.error.exit_code
    state = "fetched" if event.fetched else "here and intact"
    print_line(f"{event.name}: {state}; {_BASES[event.basis]}: {event.sha256}")
    print_result(shown(event.path))
    return 0


_BASES = {
    "published": "sha256 as published",
    "record": "sha256 as in its record",
    "recorded": "sha256 as recorded when it was first here (none was published)",
    "": "sha256, which nobody published or recorded",
}


def _verdict(found: Verified) -> str:
    from esc_cli.errors import shown

    if found.problem:
        return f"{found.name}: {found.problem} ({shown(found.path)})"
    if not found.basis:
        kept = "is recorded from now on" if found.recorded else "could not be recorded"
        what = f"no sha256 was known; it is the promised network, and its sha256 {kept}"
        return f"{found.name}: {what} ({shown(found.path)})"
    return f"{found.name}: intact, {_BASES[found.basis]} ({shown(found.path)})"


def _facts(found: Described) -> list[tuple[str, str]]:
    from esc_cli.errors import shown

    here = "not here" if found.path is None else shown(found.path)
    digest = found.sha256 or "not known until it is here"
    if found.intact is not None:
        digest += f" ({'as' if found.intact else 'NOT as'} {_BASES[found.basis][10:]})"
    lines = [
        ("name", found.name),
        ("network", found.network),
        ("variant", found.variant),
        ("scale", _times(found.scale)),
        ("parameters", f"{found.parameters:,}"),
        ("file", here),
        ("bytes", "" if found.size_bytes is None else f"{found.size_bytes:,}"),
        ("sha256", digest),
        ("source", found.source),
        ("trained on", found.trained_on),
        ("recipe", found.record.recipe if found.record else ""),
        ("licence", found.licence),
        ("PSNR", _psnr(found)),
        ("metadata", ", ".join(f"{key}={value}" for key, value in sorted(found.metadata.items()))),
    ]
    return [(label, text) for label, text in lines if text]


def _psnr(found: Described) -> str:
    from esc_cli.tasks.weights.advice import psnr_text

    values = [f"{name} {psnr_text(scores['psnr'])}" for name, scores in found.scores.items()]
    whose = "measured" if found.record else "published"
    return f"{', '.join(values)} dB ({whose})" if values else ""


LIST_WIDTH = 100
"""Columns of the list where no terminal has a width of its own."""


def _print_listing(found: tuple[Listed, ...]) -> None:
    import sys

    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for title in ("name", "scale", "for", "Set5 dB", "MB", "here", "from"):
        grid.add_column(title, no_wrap=True, overflow="ellipsis")
    for one in found:
        grid.add_row(*(Text(cell, no_wrap=True, overflow="ellipsis") for cell in _cells(one)))
    # A log or a pipe has no width of its own; a terminal has one.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else LIST_WIDTH)
    console.print(grid)
    authors = next(one.source for one in found if one.url)
    for note in _NOTES:
        console.print(note.format(authors=authors), soft_wrap=True)


_NOTES = (
    "*        the bare name of the variant means this one",
    "m        PSNR as measured; others as published in the paper",
    "authors  {authors}",
    "Without --model esc upscale takes a bundled network. --json tells paths, data and all scores.",
)


def _cells(one: Listed) -> tuple[str, ...]:
    from esc_cli.tasks.weights.advice import psnr_text

    psnr = one.scores.get("Set5", {}).get("psnr")
    name = one.name if one.source == "own" else one.model
    return (
        f"{name} *" if one.default else name,
        _times(one.scale),
        one.purpose or one.trained_on,
        "-" if psnr is None else f"{psnr_text(psnr)}{' m' if one.measured else ''}",
        "-" if one.size_bytes is None else f"{one.size_bytes / 1e6:.1f}",
        one.place or "-",
        "authors" if one.url else one.source,
    )
