"""Options that several commands have, and texts of the command line as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from esc_cli.errors import UsageError

NETWORK, OUTPUT, DATA = "Network", "Output", "Data"


@dataclass(frozen=True)
class Shared:
    """An option of several commands: its spellings, its text, the smallest number it takes."""

    spellings: tuple[str, ...]
    text: str
    least: int | None = None

    def __call__(self, panel: str | None = None, text: str = "", least: int | None = None) -> Any:
        """The option of a command; with a `text` of its own where it means something else."""
        return typer.Option(
            *self.spellings,
            min=self.least if least is None else least,
            rich_help_panel=panel,
            help=text or self.text,
        )


MODEL = Shared(("--model", "-m"), "Names or files, comma-separated.")
SCALE = Shared(("--scale", "-s"), "One or several: 2,3,4.")
DEVICE = Shared(("--device",), "auto, cpu, cuda, cuda:1, mps.")
TILE = Shared(("--tile",), "Side in input pixels, auto, or whole for no tiles.")
SELF_ENSEMBLE = Shared(
    ("--self-ensemble",), "Mean over 8 flips and turns: a little better, 8 times slower."
)
OFFLINE = Shared(("--offline",), "Never fetch a network (also ESC_OFFLINE=1).")
NEVER_CONNECT = Shared(("--offline",), "Never connect (also ESC_OFFLINE=1).")
DATA_ROOT = Shared(("--data-root",), "Folder of datasets; then $ESC_DATA, the cache.")
OVERWRITE = Shared(("--overwrite",), "Replace an output that exists.")
MAX_PIXELS = Shared(("--max-pixels",), "Refuse larger pictures.", least=1)

NeverConnect = Annotated[bool, NEVER_CONNECT()]
Precision = Literal["auto", "fast", "fp32", "fp16", "bf16"]
"""Number formats of the network."""

Overlap = Annotated[
    int, typer.Option(min=0, rich_help_panel=NETWORK, help="Pixels that tiles share.")
]
FailFast = Annotated[
    bool,
    typer.Option("--fail-fast", rich_help_panel="Batch", help="Stop at the first failure."),
]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", rich_help_panel="Batch", help="Only failures, on stderr."),
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", rich_help_panel=OUTPUT, help="Write JSON.")
]
CsvFile = Annotated[Path | None, typer.Option("--csv", rich_help_panel=OUTPUT, help="Write CSV.")]
MarkdownFile = Annotated[Path | None, typer.Option(rich_help_panel=OUTPUT, help="Write Markdown.")]
Deadline = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Batch",
        help="HH:MM at which to stop with code 75; run again to go on.",
    ),
]
MaxMinutes = Annotated[
    float | None, typer.Option(rich_help_panel="Batch", help="The same after so many minutes.")
]
MaxMemory = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Batch",
        help="Refuse inputs that would take more memory: 4G, 500M. Default: half of all.",
    ),
]
Staging = Annotated[
    Path | None,
    typer.Option(
        rich_help_panel="Batch", help="Where files of addresses lie meanwhile. Default: the cache."
    ),
]
StagingLimit = Annotated[
    str, typer.Option(rich_help_panel="Batch", help="How much of them lies there at once.")
]
Nice = Annotated[
    int,
    typer.Option(
        min=0, max=19, rich_help_panel="Batch", help="Give way to other programs: 0 (no) to 19."
    ),
]

HtmlPage = Annotated[
    Path | None, typer.Option(rich_help_panel="Batch", help="At the end, write a page to look at.")
]
KeepTimes = Annotated[
    bool,
    typer.Option(
        "--keep-times", rich_help_panel="Result", help="Results are dated as their inputs."
    ),
]
Name = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Result",
        help="Name of a result without suffix, e.g. '{stem}_x{scale}'; "
        "also {label} {width} {height}.",
    ),
]
Quality = Annotated[
    int | None,
    typer.Option(
        "--quality",
        "-q",
        min=1,
        max=100,
        rich_help_panel="Result",
        help="Of JPEG, WebP (default 95), AVIF, HEIC (90), JPEG XL (100, lossless as in WebP).",
    ),
]
Provenance = Annotated[
    bool,
    typer.Option(
        "--provenance",
        rich_help_panel="Result",
        help="Results say how they came about: network, settings, sha256 of weights and source.",
    ),
]
InPlace = Annotated[
    bool,
    typer.Option(
        "--in-place", rich_help_panel="Result", help="Replace each input; needs --backup."
    ),
]
Backup = Annotated[
    str | None,
    typer.Option(
        rich_help_panel="Result", help="Folder that takes the originals.", metavar="FOLDER"
    ),
]
Existing = Annotated[
    Literal["skip", "overwrite", "error"],
    typer.Option(
        rich_help_panel="Batch",
        help="skip: outputs that are finished and up to date. overwrite: do all again. "
        "error: fail on any output that exists.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(rich_help_panel="Batch", help="Work on a Ray cluster: auto, or HOST:PORT."),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", "-n", rich_help_panel="Batch", help="Show what would be done; do nothing."
    ),
]
Share = Annotated[
    str | None,
    typer.Option(
        "--shard",
        rich_help_panel="Batch",
        help="Do the share i/n of the inputs; auto or auto/n: that of an array of jobs.",
    ),
]

ShareVideos = Annotated[
    bool,
    typer.Option(
        "--shard-videos",
        rich_help_panel="Batch",
        help="Long videos by segments, each share or worker its own.",
    ),
]

Word = TypeVar("Word", bound=str)


def names(text: str | None) -> tuple[str, ...]:
    """The parts of a comma-separated list, in order, without blanks and repetitions."""
    parts = (part.strip() for part in (text or "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def some_names(text: str, option: str) -> tuple[str, ...]:
    """As `names`. Raises UsageError when there is none."""
    found = names(text)
    if not found:
        raise UsageError(f"{option} {text!r} names nothing")
    return found


def scales(text: str) -> tuple[int, ...]:
    """Whole scales from a list such as "2,3,4". Raises UsageError."""
    found = names(text)
    if not found or not all(part.isdecimal() and int(part) > 0 for part in found):
        raise UsageError(f"--scale {text!r} is no list of whole scales", advice="e.g. 2,3,4")
    return tuple(int(part) for part in found)


def size(text: str) -> tuple[int, int]:
    """(width, height) from a text such as "1280x720". Raises UsageError."""
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size {text!r} is no size in pixels", advice="e.g. 1280x720")
    return int(width), int(height)


def one_of(text: str, known: tuple[Word, ...], option: str) -> tuple[Word, ...]:
    """The parts of a list, each of which must be known. Raises UsageError."""
    wanted = names(text)
    for part in wanted:
        if part not in known:
            raise UsageError(f"no {option} {part!r}", advice=", ".join(known))
    if not wanted:
        raise UsageError(f"--{option} is empty", advice=", ".join(known))
    by_name = {str(word): word for word in known}
    return tuple(by_name[part] for part in wanted)


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def byte_count(text: str, option: str) -> int:
    """Bytes from a text such as "4G", "1.5 GiB" or "500m"; units are powers of 1,024.

    Raises UsageError for what is no size, and for nothing.
    """
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    count = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if count < 1:
        raise UsageError(f"{option} {text!r} is no size", advice="e.g. 4G or 500M")
    return count


def refuse_given(context: typer.Context, names: tuple[str, ...], why: str) -> None:
    """Raise UsageError when one of these parameters stands on the command line."""
    for name in names:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise UsageError(f"--{name.replace('_', '-')} {why}", advice="leave it out")


def device_list(device: str, devices: str | None) -> tuple[str, ...]:
    """The parts of --devices, repetitions kept; empty without it. Raises UsageError."""
    if devices is None:
        return ()
    if device != "auto":
        raise UsageError("--device and --devices exclude each other")
    parts = tuple(part.strip() for part in devices.split(","))
    if not all(parts) or "auto" in parts:
        raise UsageError(f"--devices {devices!r} is no list of devices", advice="cuda:0,cuda:1")
    return parts


def seconds_left(deadline: str | None, max_minutes: float | None, now: datetime) -> float | None:
    """Seconds that a batch has, None for no limit: until the next HH:MM, or so many minutes.

    Raises UsageError for what is no time of the day, and for no time at all.
    """
    limits = []
    if max_minutes is not None:
        if not 0 < max_minutes < float("inf"):
            raise UsageError(f"--max-minutes cannot be {max_minutes:g}")
        limits.append(max_minutes * 60)
    if deadline is not None:
        match = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", deadline)
        if match is None:
            raise UsageError(f"--deadline {deadline!r} is no time of the day", advice="e.g. 06:00")
        end = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        limits.append(((end if end > now else end + timedelta(days=1)) - now).total_seconds())
    return min(limits, default=None)
