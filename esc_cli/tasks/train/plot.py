"""The curve of a run as a picture: loss, and PSNR where it was validated."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

from esc_cli.errors import MissingExtraError, UsageError
from esc_cli.files.targets import check_folder, check_target, write_together
from esc_cli.training.folder import LOG, read_log


def check_plot(target: Path, out: Path) -> None:
    """Raise UsageError, MissingExtraError or DiskError, before work, for what could not be drawn.

    The folder of the run, `out`, may still have to be made.
    """
    if target.suffix.lower() != ".png":
        raise UsageError("the plot must end in .png", target)
    try:
        import matplotlib  # noqa: F401 - only whether it is there
    except ImportError as error:
        what = "--plot needs matplotlib"
        raise MissingExtraError(what, advice="pip install 'esc-cli[train]'") from error
    if not os.path.lexists(out) and os.path.realpath(target.parent) == os.path.realpath(out):
        check_folder(out)
    else:
        check_target(target)


def plot_run(out: Path, target: Path, *, unlogged: bool = True) -> None:
    """Draw the log of a run's folder as PNG; `unlogged`: also where there is none yet.

    Raises DiskError.
    """
    log = out / LOG
    if unlogged or log.is_file():
        write_plot(log, target)


def write_plot(log: Path, target: Path) -> None:
    """Draw a log as PNG. Raises DiskError."""
    write_together({target: _drawn(read_log(log) if log.is_file() else [])})


def _drawn(entries: list[dict[str, Any]]) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    losses = figure.add_subplot(xlabel="iteration", ylabel="loss")
    logged = [entry for entry in entries if "loss" in entry]
    losses.plot([e["step"] for e in logged], [e["loss"] for e in logged], "C0", lw=1)
    scored = [entry for entry in entries if "scores" in entry]
    if scored:
        quality = losses.twinx()
        quality.set_ylabel("PSNR (Y), dB")
        for number, name in enumerate(scored[0]["scores"], start=1):
            values = [entry["scores"][name]["psnr"] for entry in scored]
            steps = [entry["step"] for entry in scored]
            quality.plot(steps, values, f"C{number}.-", label=name)
        quality.legend(loc="center right")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=120)
    return stream.getvalue()
