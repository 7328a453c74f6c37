"""A benchmark as a plot; the only place that imports matplotlib."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

from esc_cli.benchmark.results import BenchRow, facts_line
from esc_cli.errors import MissingExtraError


def check_matplotlib() -> None:
    """Raise MissingExtraError without matplotlib."""
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        advice = "pip install 'esc-cli[bench]'"
        raise MissingExtraError("--plot needs matplotlib", advice=advice) from error


def bench_plot(rows: Sequence[BenchRow], environment: Mapping[str, str]) -> bytes:
    """A PNG: PSNR on Set5 against the median latency of each configuration that has one."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    for row in rows:
        if row.psnr is None:
            continue
        at = (row.median_ms, row.psnr)
        fill = "full" if row.psnr_source == "measured" else "none"
        axes.plot(*at, marker="o", linestyle="", fillstyle=fill, label=row.label)
    axes.set_xscale("log")
    axes.set_xlabel("median latency of a run, ms")
    axes.set_ylabel("PSNR on Set5 (Y), dB")
    axes.set_title("open: the paper's PSNR; filled: PSNR of these weights", fontsize=9)
    axes.margins(0.1)
    axes.legend(loc="best", fontsize=8)
    axes.grid(visible=True, alpha=0.3)
    figure.supxlabel(facts_line(environment), fontsize=6, wrap=True)
    target = io.BytesIO()
    figure.savefig(target, format="png")
    return target.getvalue()
