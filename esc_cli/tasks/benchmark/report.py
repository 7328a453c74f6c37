"""What is made of a benchmark: tables, notes, and the files that are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from esc_cli.benchmark.compare import Earlier, comparison_rows, earlier, without_ratio
from esc_cli.benchmark.plot import bench_plot, check_matplotlib
from esc_cli.benchmark.published import NOTE
from esc_cli.benchmark.results import BenchRow, Row, bench_rows, facts_line, uncompiled_kernels
from esc_cli.errors import UsageError, shown
from esc_cli.files.atomic import write_atomic
from esc_cli.files.targets import check_outputs
from esc_cli.tasks.benchmark.events import BenchOptions, WholeJob
from esc_cli.tasks.benchmark.export import Sections, bench_csv, bench_json, bench_markdown, flat
from esc_cli.tasks.benchmark.run import FACTORED, FRESH

IDLE_ENOUGH = 0.8
"""Share of a core that a run on the CPU must get for its time to mean something."""


@dataclass(frozen=True)
class Outputs:
    """Files to write."""

    json: Path | None
    csv: Path | None
    markdown: Path | None
    plot: Path | None

    def check_before_work(self) -> None:
        """Raise UsageError, DiskError or MissingExtraError for what would fail after the work."""
        check_outputs(
            {".json": self.json, ".csv": self.csv, ".md": self.markdown, ".png": self.plot}
        )
        if self.plot is not None:
            check_matplotlib()


@dataclass
class Findings:
    """What a benchmark has found so far, and how it measured."""

    environment: dict[str, str] = field(default_factory=dict)
    rows: list[BenchRow] = field(default_factory=list)
    jobs: list[WholeJob] = field(default_factory=list)
    how: str = ""

    @property
    def facts(self) -> str:
        """The environment on one line."""
        return facts_line(self.environment)


def read_earlier(path: Path) -> Earlier:
    """An earlier run's --json. Raises UsageError."""
    try:
        stored = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", path) from error
    except (ValueError, RecursionError) as error:
        at = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise UsageError(
            f"is no JSON{at}", path, "give a file that esc bench --json wrote"
        ) from error
    return earlier(stored, path)


def bench_notes(options: BenchOptions, findings: Findings) -> list[str]:
    """What a reader of the figures must know, a line each."""
    notes = [findings.how, *_busy(findings.rows)]
    if options.before is not None:
        alone = without_ratio(options.before, findings.rows)
        notes += [
            f"not in {shown(options.before.path)}, so without a ratio: {one}" for one in alone
        ]
    notes += [
        f"attention {name} is compiled on {device.upper()} only: here it is slow"
        for name, device in uncompiled_kernels(findings.rows).items()
    ]
    if any(row.published for row in findings.rows):
        notes.append(NOTE)
    if any(row.weights == FRESH for row in findings.rows):
        notes.append(
            "weights fresh: no checkpoint is installed, so the parameters were never trained; "
            "the time does not depend on their values"
        )
    if any(row.weights.endswith(FACTORED) for row in findings.rows):
        notes.append(
            "weights factored: the checkpoint's tables of positions as FlashBias factors, which "
            "come close to them; its PSNR is not theirs"
        )
    if any(row.psnr_source == "published" for row in findings.rows):
        notes.append("PSNR of fresh weights, in --json, --csv and --plot: the paper's, on Set5")
    return notes


def forward_rows(findings: Findings) -> tuple[Row, ...]:
    """The table of single runs of a network, its header first; empty without any."""
    return tuple(bench_rows(findings.rows)) if findings.rows else ()


def _busy(rows: list[BenchRow]) -> Iterator[str]:
    """A warning when the runs on a CPU had less than a core: the times are then of the load."""
    shares = [row.cpu_ms / row.mean_ms for row in rows if row.device == "cpu"]
    if shares and min(shares) < IDLE_ENOUGH:
        yield (
            f"the processor was busy with something else: CPU time is {min(shares):.0%} of the "
            "time by the clock, so only CPU ms, memory, MACs and parameters count"
        )


def _job_rows(jobs: list[WholeJob]) -> Iterator[tuple[str, ...]]:
    stages = [f"{stage.name} s" for stage in jobs[0].stages]
    rates = ("images/s", "network alone", "ratio")
    yield (
        "model",
        "precision",
        "attention",
        "pictures",
        "MP",
        "seconds",
        *stages,
        "device waited s",
        *rates,
    )
    for job in jobs:
        yield (
            f"{job.model} x{job.scale}",
            job.precision,
            job.attention,
            str(job.pictures),
            f"{job.megapixels:.1f}",
            f"{job.seconds:.2f}",
            *(f"{stage.seconds:.2f}" for stage in job.stages),
            f"{job.idle_s:.2f}",
            f"{job.images_per_s:.2f}",
            f"{job.alone_images_per_s:.2f}",
            f"{job.ratio:.3f}",
        )


def _flat_job(job: WholeJob) -> dict[str, object]:
    stages = {f"{stage.name}_s": stage.seconds for stage in job.stages}
    values = {name: value for name, value in asdict(job).items() if name != "stages"}
    return values | stages | {"ratio": job.ratio}


def further_tables(options: BenchOptions, findings: Findings) -> Sections:
    """The comparison with an earlier run, and whole jobs, where there are such."""
    sections: dict[str, list[tuple[str, ...]]] = {}
    if options.before is not None:
        changes = "; ".join(options.before.changes(findings.environment)) or "nothing else changed"
        header, *rows = comparison_rows(options.before, findings.rows)
        if rows:
            sections[f"compared with the earlier run ({changes})"] = [header, *rows]
    if findings.jobs:
        sections["whole jobs"] = list(_job_rows(findings.jobs))
    return sections


def write(findings: Findings, outputs: Outputs, notes: list[str], more: Sections) -> None:
    """Write the files that are asked for. Raises DiskError."""
    rows, facts = findings.rows, findings.environment
    if outputs.json is not None:
        jobs = {"whole_jobs": [asdict(job) | {"ratio": job.ratio} for job in findings.jobs]}
        write_atomic(outputs.json, bench_json(rows, facts, notes, jobs).encode())
    if outputs.csv is not None:
        lines = [*map(flat, rows), *map(_flat_job, findings.jobs)]
        write_atomic(outputs.csv, bench_csv(lines, facts).encode())
    if outputs.markdown is not None:
        write_atomic(outputs.markdown, bench_markdown(rows, facts, notes, more).encode())
    if outputs.plot is not None:
        write_atomic(outputs.plot, bench_plot(rows, facts))
