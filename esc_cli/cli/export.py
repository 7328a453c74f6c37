"""`esc export`: parse, call the task, show what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import OVERWRITE, SCALE

EPILOG = (
    "Exit codes: 0 written; 1 the result differs from the network; 2 wrong usage; 3 the "
    "environment (weights, disk, a missing package); 130 and 143 after SIGINT and SIGTERM."
)


def export_command(
    model: Annotated[str, typer.Argument(help="A name, a .safetensors or a .pth file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="*.onnx, *.pt or *.pt2.")],
    format_: Annotated[
        str | None,
        typer.Option("--format", "-f", help="onnx, torchscript, pt2. Default: by the suffix."),
    ] = None,
    scale: Annotated[int | None, SCALE(text="Of a name; default 4.", least=1)] = None,
    overwrite: Annotated[bool, OVERWRITE()] = False,
) -> None:
    """Write a network for another runtime, with dynamic height, width and batch.

    The file is run and compared with the network before it is written.
    """
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli.console import print_line, print_result
    from esc_cli.cli.signals import raising_on_signals
    from esc_cli.errors import shown
    from esc_cli.tasks.export import ExportOptions, export

    with raising_on_signals():
        done = export(ExportOptions(model, output, format_, scale, overwrite))
    print_result(shown(done.path))
    size = f"{done.format}, {done.size_bytes / 1e6:.1f} MB"
    print_line(f"{size}, differs from the network by at most {done.difference:.1g}")
