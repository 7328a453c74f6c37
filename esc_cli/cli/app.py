"""The `esc` command: subcommands are added here, errors become exit codes here."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from functools import cache
from typing import Annotated, Any

import typer

from esc_cli._version import __version__
from esc_cli.cli.benchmark import EPILOG as BENCH_EPILOG
from esc_cli.cli.benchmark import bench_command
from esc_cli.cli.compare import compare_command
from esc_cli.cli.configured import ConfiguredCommand
from esc_cli.cli.console import abandon_stdout, print_error
from esc_cli.cli.data import data_app
from esc_cli.cli.evaluate import EPILOG as EVAL_EPILOG
from esc_cli.cli.evaluate import eval_command
from esc_cli.cli.export import EPILOG as EXPORT_EPILOG
from esc_cli.cli.export import export_command
from esc_cli.cli.report import report_app
from esc_cli.cli.train import EPILOG as TRAIN_EPILOG
from esc_cli.cli.train import train_command
from esc_cli.cli.upscale import EPILOG as UPSCALE_EPILOG
from esc_cli.cli.upscale import upscale_command
from esc_cli.cli.verify import EPILOG as VERIFY_EPILOG
from esc_cli.cli.verify import verify_command
from esc_cli.cli.watch import EPILOG as WATCH_EPILOG
from esc_cli.cli.watch import watch_command
from esc_cli.cli.weights import weights_app
from esc_cli.cli.weights_export import EPILOG as WEIGHTS_EXPORT_EPILOG
from esc_cli.cli.weights_export import weights_export_command
from esc_cli.errors import EscError

DEBUG = "ESC_DEBUG"
"""Environment variable: show the traceback of an error that esc did not expect."""

app = typer.Typer(
    name="esc",
    help="Upscale pictures and videos with ESC, an efficient super-resolution network.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"esc {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Upscale pictures and videos with ESC, an efficient super-resolution network."""


app.command("upscale", cls=ConfiguredCommand, epilog=UPSCALE_EPILOG)(upscale_command)
app.command("watch", cls=ConfiguredCommand, epilog=WATCH_EPILOG)(watch_command)
app.command("eval", cls=ConfiguredCommand, epilog=EVAL_EPILOG)(eval_command)

app.command("bench", cls=ConfiguredCommand, epilog=BENCH_EPILOG)(bench_command)
app.command("export", cls=ConfiguredCommand, epilog=EXPORT_EPILOG)(export_command)
app.command("compare", cls=ConfiguredCommand)(compare_command)
app.command("train", cls=ConfiguredCommand, epilog=TRAIN_EPILOG)(train_command)
app.command("verify", cls=ConfiguredCommand, epilog=VERIFY_EPILOG)(verify_command)
app.add_typer(data_app, name="data")
app.add_typer(report_app, name="report")
weights_app.command("export", cls=ConfiguredCommand, epilog=WEIGHTS_EXPORT_EPILOG)(
    weights_export_command
)
app.add_typer(weights_app, name="weights")


@cache
def command() -> Callable[[], Any]:
    """All commands with their options, as typer reads them from the functions, once a process."""
    return typer.main.get_command(app)


def main() -> None:
    """Run the command; every expected error ends in one line and its documented exit code."""
    atexit.register(gc.freeze)  # else Python looks through all objects of torch before it ends
    try:
        command()()
    except EscError as error:
        print_error(error)
        raise SystemExit(error.exit_code) from None
    except BrokenPipeError:
        abandon_stdout()  # its reader has left
        raise SystemExit(1) from None
    except Exception as error:
        if os.environ.get(DEBUG):
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        print_error(EscError(what, advice=f"please report it; {DEBUG}=1 shows where"))
        raise SystemExit(1) from None
