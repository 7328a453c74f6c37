"""Cases through `esc upscale`, a folder at a time; a folder that goes wrong is done one by one."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.campaign.cases import Case
from tests.campaign.oracle import Outcome, Violation, of_first, of_lenient, of_second
from tests.campaign.worker import Answer, Died, Hung, Worker

BATCH = 24
"""Pictures in a folder: each format twice."""
LIMIT_S = 30.0
"""For one picture by itself."""
MAX_PIXELS = 200_000
MEMORY_BYTES = 2 << 30
"""What `MAX_PIXELS` need in a network, with decoders and threads, is a fraction of it."""


@dataclass
class Result:
    """Cases as they ended: (format, reason; "" for done, done only with --allow-truncated)."""

    rows: list[tuple[str, str, bool]] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)


def run_batch(cases: Sequence[Case], worker: Worker) -> Result:
    """The outcome of cases that are one folder; each alone where they end the process together."""
    result = Result()
    try:
        with tempfile.TemporaryDirectory(prefix="esc-campaign-") as folder:
            _through(cases, Path(folder), worker, result)
    except (Died, Hung) as error:
        if len(cases) > 1:
            return _one_by_one(cases, worker, error)
        (one,) = cases
        what = f"no end within {LIMIT_S:g} s" if isinstance(error, Hung) else f"crash, {error}"
        return Result([(one.format, what, False)], [Violation(one.number, what)])
    return result


def _one_by_one(cases: Sequence[Case], worker: Worker, error: Exception) -> Result:
    whole = Result()
    for case in cases:
        result = run_batch([case], worker)
        whole.rows += result.rows
        whole.violations += result.violations
    if isinstance(error, Died) and not whole.violations:
        what = f"only in one folder with the {len(cases) - 1} after it: crash, {error}"
        whole.violations.append(Violation(cases[0].number, what))
    return whole


def _through(cases: Sequence[Case], folder: Path, worker: Worker, result: Result) -> None:
    (folder / "in").mkdir()
    for case in cases:
        (folder / "in" / case.name).write_bytes(case.content)
    strict = _upscale(folder, "strict", worker, len(cases))
    before = strict.files
    result.violations += of_first(cases, strict)
    again = _upscale(folder, "strict", worker, len(cases))
    result.violations += of_second(strict, again, before)
    lenient = _upscale(folder, "lenient", worker, len(cases), "--allow-truncated")
    result.violations += of_lenient(cases, strict, lenient, before)
    result.violations = list(dict.fromkeys(result.violations))
    result.rows += _rows(cases, strict, lenient)


def _upscale(folder: Path, name: str, worker: Worker, count: int, *options: str) -> Outcome:
    report = folder / "report.jsonl"
    report.unlink(missing_ok=True)
    words = ["upscale", str(folder / "in"), "-o", str(folder / name), "--scale", "2"]
    words += ["--device", "cpu", "--max-pixels", str(MAX_PIXELS), "--report", str(report)]
    answer: Answer = worker.run([*words, *options], LIMIT_S * count)
    return Outcome.of(answer, folder / name, report)


def _rows(
    cases: Sequence[Case], strict: Outcome, lenient: Outcome
) -> Iterator[tuple[str, str, bool]]:
    for case in cases:
        item, other = strict.items.get(case.name, {}), lenient.items.get(case.name, {})
        reason = item.get("reason", "no line in the report")
        yield case.format, reason, bool(reason) and other.get("status") == "done"
