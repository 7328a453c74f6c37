"""Options that several commands have, said once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

NETWORK, OUTPUT = "Network", "Output"


class Precision(str, Enum):
    """Number formats of the network."""

    auto = "auto"
    fp32 = "fp32"
    fp16 = "fp16"
    bf16 = "bf16"


Device = Annotated[str, typer.Option(rich_help_panel=NETWORK, help="auto, cpu, cuda, cuda:1, mps.")]
Overlap = Annotated[
    int, typer.Option(min=0, rich_help_panel=NETWORK, help="Pixels that tiles share.")
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline", rich_help_panel=NETWORK, help="Never fetch a network (also ESC_OFFLINE=1)."
    ),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", rich_help_panel=OUTPUT, help="Write JSON.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", rich_help_panel=OUTPUT, help="Write CSV.")]
MarkdownFile = Annotated[Path | None, typer.Option(rich_help_panel=OUTPUT, help="Write Markdown.")]
