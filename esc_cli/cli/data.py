"""`esc data`: list, pull and verify benchmark sets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from esc_cli.cli.configured import ConfiguredCommand
from esc_cli.cli.parsing import DATA_ROOT, NeverConnect
from esc_cli.errors import UsageError

if TYPE_CHECKING:
    from esc_cli.tasks.data.sets import Listed, PullEvent, Verified

PULL_EPILOG = (
    "Exit codes: 0 all there; 2 wrong usage; 3 a set could not be had (network, disk, a wrong "
    "file). What a break leaves is resumed by the next call."
)
VERIFY_EPILOG = "Exit codes: 0 all as pulled; 1 a set differs; 2 wrong usage, nothing to verify."

data_app = typer.Typer(
    help="Fetch benchmark sets, and verify those that were fetched.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_Root = Annotated[Path | None, DATA_ROOT()]


def _roots(chosen: Path | None) -> tuple[Path, ...]:
    from esc_cli.tasks.data.sets import known_roots

    return known_roots() if chosen is None else (chosen,)


@data_app.command("list", cls=ConfiguredCommand)
def list_command(data_root: _Root = None) -> None:
    """Show which sets there are, which are here, and where the others come from."""
    from esc_cli.tasks.data.sets import listing

    _print_listing(listing(_roots(data_root)))


@data_app.command("pull", cls=ConfiguredCommand, epilog=PULL_EPILOG)
def pull_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Set5, Set14, BSD100, Urban100.", metavar="NAME")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that can be pulled.")] = False,
    data_root: Annotated[Path | None, DATA_ROOT(text="Folder to fill. Default: the cache.")] = None,
    offline: NeverConnect = False,
) -> None:
    """Fetch sets into <data root>/<Set>/HR; what is here and intact is kept."""
    from esc_cli.cli.fetching import bytes_bar, note
    from esc_cli.cli.signals import raising_on_signals
    from esc_cli.tasks.data.sets import Pulling, data_cache, pull, usual_source

    if bool(names) == every:
        raise UsageError("give names of sets, or --all", advice="see esc data list")
    code = 0
    with raising_on_signals(), bytes_bar() as bar:
        task = bar.add_task("", total=None, visible=False)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total, visible=True)

        source = usual_source(show, note, offline=offline)
        for event in pull(tuple(names or ()), data_root or data_cache(), source):
            if isinstance(event, Pulling):
                bar.reset(task, description=event.name, total=None, visible=False)
            else:
                bar.update(task, visible=False)
                code = max(code, _show(event))
    raise typer.Exit(code)


@data_app.command("verify", cls=ConfiguredCommand, epilog=VERIFY_EPILOG)
def verify_command(
    names: Annotated[
        list[str] | None, typer.Argument(help="Default: all that were pulled.", metavar="NAME")
    ] = None,
    data_root: _Root = None,
) -> None:
    """Compare every picture with the sha256 that was recorded when the set was pulled."""
    from esc_cli.cli.console import print_line
    from esc_cli.tasks.data.sets import verify

    intact = True
    for found in verify(tuple(names or ()), _roots(data_root)):
        intact = intact and found.intact
        print_line(_differences(found), "" if found.intact else "bold red")
    raise typer.Exit(0 if intact else 1)


def _show(event: PullEvent) -> int:
    """A line for an event; the exit code that it asks for."""
    from esc_cli.cli.console import print_error, print_line, print_result
    from esc_cli.tasks.data.sets import Pulled, PullFailed

    if isinstance(event, PullFailed):
        print_error(event.error)
        return event.error.exit_code
    if isinstance(event, Pulled):
        state = "pulled" if event.fetched else "here and intact"
        print_line(f"{event.name}: {event.pictures} pictures, {state}; cite {event.cite}")
        print_result(str(event.folder))
    return 0


def _differences(found: Verified) -> str:
    if found.intact:
        return f"{found.name}: {found.pictures} pictures, all as pulled ({found.folder})"
    kinds = {"missing": found.missing, "changed": found.changed, "extra": found.extra}
    parts = (f"{kind}: {', '.join(names)}" for kind, names in kinds.items() if names)
    return f"{found.name} differs; {'; '.join(parts)} ({found.folder})"


def _print_listing(sets: tuple[Listed, ...]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table("set", "pictures", "MB", "here", "source")
    for one in sets:
        here = "-" if one.folder is None else f"{one.folder}{'' if one.pulled else ' (not pulled)'}"
        megabytes = f"{one.size_bytes / 1e6:.1f}" if one.size_bytes else "-"
        pictures = "-" if one.pictures is None else str(one.pictures)
        cells = (one.name, pictures, megabytes, here, f"{one.source} ({one.note})")
        grid.add_row(*(Text(cell, overflow="fold") for cell in cells))
    Console(highlight=False).print(grid)
