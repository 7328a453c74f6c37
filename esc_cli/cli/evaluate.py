"""`esc eval`: parse, call the task, render its events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import (
    DATA,
    DATA_ROOT,
    DEVICE,
    MAX_PIXELS,
    MODEL,
    NETWORK,
    NEVER_CONNECT,
    OUTPUT,
    SCALE,
    SELF_ENSEMBLE,
    TILE,
    CsvFile,
    JsonFile,
    MarkdownFile,
    Overlap,
    Precision,
)
from esc_cli.errors import UsageError
from esc_cli.tasks import defaults

EPILOG = (
    "Exit codes: 0 all done; 1 a picture or metric failed, or --check found a difference; "
    "2 wrong usage, no data; 3 the environment (weights, device, disk, a missing package); "
    "130 and 143 after SIGINT and SIGTERM."
)
_METRICS = "Metrics"


def eval_command(  # noqa: PLR0913, PLR0917 - Typer reads one parameter per option
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", rich_help_panel=DATA, help="Name (Set5, Urban100 ...) or folder."
        ),
    ] = None,
    data_root: Annotated[Path | None, DATA_ROOT(DATA)] = None,
    scale: Annotated[str, SCALE(DATA)] = "4",
    no_reference: Annotated[
        bool,
        typer.Option(
            "--no-reference", rich_help_panel=DATA, help="The pictures are LR and have no HR."
        ),
    ] = False,
    model: Annotated[
        str | None, MODEL(text="Names or files, comma-separated. Default: bundled.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="More columns: bicubic, lanczos, models; comma-separated."),
    ] = None,
    sr: Annotated[
        Path | None, typer.Option("--sr", help="Score the finished results in this folder.")
    ] = None,
    sr_pattern: Annotated[
        str | None,
        typer.Option(help="Their names: '{name}_x{scale}_*'. Default: those of common tools."),
    ] = None,
    hr: Annotated[
        Path | None,
        typer.Option("--hr", rich_help_panel=DATA, help="A folder of HR pictures, not a name."),
    ] = None,
    rgb: Annotated[
        bool,
        typer.Option("--rgb", rich_help_panel=_METRICS, help="Full-reference metrics on RGB too."),
    ] = False,
    border: Annotated[
        int | None,
        typer.Option(min=0, rich_help_panel=_METRICS, help="Pixels cut off. Default: the scale."),
    ] = None,
    iqa: Annotated[
        str | None,
        typer.Option(rich_help_panel=_METRICS, help="pyiqa metrics: niqe,maniqa,lpips ..."),
    ] = None,
    check: Annotated[
        float | None,
        typer.Option(rich_help_panel=_METRICS, help="Fail if a mean is off by more dB."),
    ] = None,
    json_: JsonFile = None,
    csv_: CsvFile = None,
    markdown: MarkdownFile = None,
    report: Annotated[
        Path | None,
        typer.Option(rich_help_panel=OUTPUT, help="Write one HTML page with pictures."),
    ] = None,
    save_sr: Annotated[
        Path | None, typer.Option(rich_help_panel=OUTPUT, help="Keep the results as PNG.")
    ] = None,
    per_picture: Annotated[
        bool, typer.Option("--per-picture", rich_help_panel=OUTPUT, help="Print every picture.")
    ] = False,
    timings: Annotated[
        bool, typer.Option("--timings", rich_help_panel=OUTPUT, help="Print where time went.")
    ] = False,
    cache: Annotated[
        bool,
        typer.Option(rich_help_panel=OUTPUT, help="Reuse the scores of earlier runs that fit."),
    ] = True,
    max_pixels: Annotated[int, MAX_PIXELS(DATA)] = defaults.MAX_PIXELS,
    device: Annotated[str, DEVICE(NETWORK)] = "auto",
    precision: Annotated[
        Precision, typer.Option(rich_help_panel=NETWORK, help="The paper's figures are fp32.")
    ] = "fp32",
    tile: Annotated[
        str, TILE(NETWORK, "whole (the paper's), auto, or a side in input pixels.")
    ] = "whole",
    overlap: Overlap = defaults.OVERLAP,
    self_ensemble: Annotated[bool, SELF_ENSEMBLE(NETWORK)] = False,
    offline: Annotated[bool, NEVER_CONNECT(NETWORK)] = False,
) -> None:
    """Measure PSNR, SSIM and more on benchmark sets, beside the published values."""
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli import evaluate_run, parsing
    from esc_cli.tasks.data.sets import searched_roots
    from esc_cli.tasks.evaluate.events import EvalOptions
    from esc_cli.tasks.evaluate.report import Outputs
    from esc_cli.tasks.evaluate.score_cache import usual_file
    from esc_cli.tasks.models import engine_options

    datasets = tuple(name for entry in dataset or () for name in parsing.names(entry))
    if bool(datasets) == (hr is not None):
        raise UsageError("give --dataset, or --hr for a folder of HR pictures")
    if sr is not None and (model or save_sr or no_reference):
        raise UsageError("--sr scores what is there: no --model, --save-sr, --no-reference with it")
    if sr_pattern is not None and sr is None:
        raise UsageError("--sr-pattern belongs to --sr")
    if no_reference and not (iqa or save_sr or report):
        raise UsageError("without reference there is nothing to measure", advice="give --iqa")
    options = EvalOptions(
        datasets=datasets or (str(Path(str(hr)).absolute()),),
        data_roots=searched_roots(data_root),
        scales=parsing.scales(scale),
        models=tuple(parsing.names(model)) or (None,),
        against=parsing.names(against),
        results=sr,
        sr_pattern=sr_pattern,
        rgb=rgb,
        reference=not no_reference,
        iqa=parsing.names(iqa),
        border=border,
        engine=engine_options(device, precision, tile, overlap, self_ensemble=self_ensemble),
        max_pixels=max_pixels,
        cache=usual_file() if cache else None,
        save_sr=save_sr,
        visuals=report is not None,
    )
    outputs = Outputs(json_, csv_, markdown, report, check)
    evaluate_run.run(options, outputs, evaluate_run.Run(per_picture, timings, offline))
