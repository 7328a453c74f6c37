"""What is made of an evaluation: tables, the check against the paper, the files asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from esc_cli.errors import UsageError
from esc_cli.evaluation.export import (
    Row,
    picture_rows,
    summary_rows,
    to_csv,
    to_json,
    to_markdown,
)
from esc_cli.evaluation.html import Facts, render_report
from esc_cli.evaluation.plausible_scores import doubt
from esc_cli.evaluation.results import Table, Visual
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_outputs
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.evaluate.events import Scored, SetDone


@dataclass(frozen=True)
class Outputs:
    """Files to write, and `check`: by how many dB a mean may differ from the published one."""

    json: Path | None
    csv: Path | None
    markdown: Path | None
    report: Path | None
    check: float | None

    def check_before_work(self) -> None:
        """Raise UsageError or DiskError for what would fail only after all the computing."""
        if self.check is not None and not 0 <= self.check < float("inf"):
            raise UsageError(f"--check {self.check} is no tolerance in dB")
        check_outputs(
            {".json": self.json, ".csv": self.csv, ".md": self.markdown, ".html": self.report}
        )


@dataclass
class Findings:
    """What an evaluation has found so far; `cached` counts scores of earlier runs."""

    tables: list[Table] = field(default_factory=list)
    visuals: list[Visual] = field(default_factory=list)
    cached: int = 0

    def add(self, event: Scored | SetDone) -> None:
        """Keep what an event tells."""
        if isinstance(event, Scored):
            self.cached += event.cached
        else:
            self.tables.append(event.table)
            self.visuals.extend(event.visuals)


def set_rows(done: SetDone, *, per_picture: bool) -> dict[str, tuple[Row, ...]]:
    """The tables of a set by their titles, headers first: means, and every picture if asked."""
    table = done.table
    means = f"{table.dataset} x{table.scale}, mean of {len(table.images)} pictures"
    if table.measured is not None:
        means += f"; {table.measured.text}"
    rows = {means: tuple(summary_rows(table))}
    return rows | ({"pictures": tuple(picture_rows(table))} if per_picture else {})


def doubts(done: SetDone) -> list[str]:
    """What speaks against a set being the one of its name."""
    found = doubt(done.table)
    return [f"{done.table.dataset} x{done.table.scale}: {found}"] if found else []


def departures(findings: Findings, outputs: Outputs) -> list[str]:
    """The means that are too far from the published ones, where that is asked for.

    Raises UsageError if none was published.
    """
    if outputs.check is None:
        return []
    problems, compared = _differences(findings.tables, outputs.check)
    if not compared:
        raise UsageError("--check: nothing is published for these models, sets and scales")
    return problems


def _differences(tables: list[Table], most: float) -> tuple[list[str], int]:
    """Means of PSNR that differ by more than `most` dB, and how many could be compared."""
    compared, problems = 0, []
    for table in tables:
        for method, values in table.published.items():
            mean = table.mean(method, "psnr_y")
            if mean is None or "psnr_y" not in values:
                continue
            compared += 1
            off = mean - values["psnr_y"]
            if abs(off) > most:
                problems.append(f"{table.dataset} x{table.scale} {method}: {off:+.3f} dB")
    return problems, compared


def write(findings: Findings, outputs: Outputs, command: str) -> None:
    """Write the files that are asked for; `command` is for the head of the page.

    Raises WriteError and DiskError.
    """
    tables, environment = findings.tables, environment_facts()
    if outputs.json is not None:
        write_atomic(outputs.json, _encoded(to_json(tables, environment)))
    if outputs.csv is not None:
        write_atomic(outputs.csv, _encoded(to_csv(tables)))
    if outputs.markdown is not None:
        write_atomic(outputs.markdown, _encoded(to_markdown(tables)))
    if outputs.report is not None:
        names = ", ".join(dict.fromkeys(table.dataset for table in tables))
        page = render_report(
            tables, findings.visuals, Facts(f"esc eval: {names}", command, environment)
        )
        write_atomic(outputs.report, page.encode())


def _encoded(text: str) -> bytes:
    """UTF-8; bytes of file names that are none are escaped."""
    return text.encode("utf-8", "backslashreplace")
