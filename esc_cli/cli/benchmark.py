"""`esc bench`: parse, call the task, render its events."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esc_cli.cli.parsing import DEVICE, MODEL, OUTPUT, SCALE, CsvFile, JsonFile, MarkdownFile
from esc_cli.tasks.benchmark.events import ATTENTIONS, AUTO

EPILOG = (
    "Exit codes: 0 all measured; 1 a configuration failed; 2 wrong usage, or --compare with "
    "a run of another machine or of other configurations; 3 the environment (weights, device, "
    "disk, a missing package); 130 and 143 after SIGINT and SIGTERM."
)
_WHAT, _HOW = "What is measured", "How"
NOT_END_TO_END = ("compare", "plot", "runs", "warmup", "size", "batch")
KERNELS = [name for name in ATTENTIONS if name != AUTO]
DEFAULT_MODELS = "esc-tiny,esc-light,esc,esc-fp"


def bench_command(  # noqa: PLR0913, PLR0917 - Typer reads one parameter per option
    context: typer.Context,
    model: Annotated[str, MODEL(_WHAT)] = DEFAULT_MODELS,
    scale: Annotated[str, SCALE(_WHAT)] = "4",
    precision: Annotated[
        str, typer.Option(rich_help_panel=_WHAT, help="A list of fp32, fp16, bf16, auto.")
    ] = "fp32",
    attention: Annotated[
        str,
        typer.Option(
            rich_help_panel=_WHAT,
            help=f"A list of {', '.join(KERNELS)}; {AUTO} is what the network uses by itself.",
        ),
    ] = AUTO,
    compile_: Annotated[
        bool, typer.Option("--compile", rich_help_panel=_WHAT, help="Through torch.compile.")
    ] = False,
    size: Annotated[
        str, typer.Option(rich_help_panel=_WHAT, help="Of the result, as the paper has it.")
    ] = "1280x720",
    batch: Annotated[int, typer.Option(min=1, rich_help_panel=_WHAT, help="Pictures at once.")] = 1,
    device: Annotated[str, DEVICE(_HOW)] = "auto",
    warmup: Annotated[
        int | None,
        typer.Option(min=0, rich_help_panel=_HOW, help="Runs before the clock: 100; on a CPU 1."),
    ] = None,
    runs: Annotated[
        int | None, typer.Option(min=1, rich_help_panel=_HOW, help="Timed: 100; on a CPU 3.")
    ] = None,
    end_to_end: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_WHAT,
            help="A folder of pictures through the whole pipeline, instead of random input.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(rich_help_panel=_HOW, help="Where --end-to-end keeps results meanwhile."),
    ] = None,
    json_: JsonFile = None,
    csv_: CsvFile = None,
    markdown: MarkdownFile = None,
    plot: Annotated[
        Path | None,
        typer.Option(rich_help_panel=OUTPUT, help="Write PSNR against latency, as PNG."),
    ] = None,
    compare: Annotated[
        Path | None,
        typer.Option(rich_help_panel=OUTPUT, help="Ratios to an earlier --json of this machine."),
    ] = None,
) -> None:
    """Measure the time and memory of networks, by the paper's protocol, beside its figures.

    Variants without weights here are measured with fresh parameters, which take the same time.
    """
    # Only now, so that `esc --help` does not wait for torch.
    from esc_cli.cli import benchmark_run, parsing
    from esc_cli.errors import UsageError
    from esc_cli.tasks.benchmark.events import BenchOptions
    from esc_cli.tasks.benchmark.report import Outputs, read_earlier

    if end_to_end is not None:
        parsing.refuse_given(context, NOT_END_TO_END, "is for networks, not for --end-to-end")
    if out is not None and end_to_end is None:
        raise UsageError("--out is for --end-to-end")
    outputs = Outputs(json_, csv_, markdown, plot)
    options = BenchOptions(
        models=parsing.some_names(model, "--model"),
        scales=parsing.scales(scale),
        precisions=parsing.one_of(precision, ("fp32", "fp16", "bf16", "auto"), "precision"),
        attentions=parsing.one_of(attention, ATTENTIONS, "attention"),
        compiled=compile_,
        size=parsing.size(size),
        batch=batch,
        device=device,
        warmup=warmup,
        runs=runs,
        plot=plot is not None,
        folder=end_to_end,
        scratch=out,
        before=None if compare is None else read_earlier(compare),
    )
    benchmark_run.run(options, outputs)
