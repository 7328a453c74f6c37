"""Everything that only a GPU can prove or measure, in one command of less than nine minutes.

    python docs/benchmarks/gpu.py --out gpu-report [--golden FOLDER]
    python docs/benchmarks/gpu.py --out gpu-report --rehearse

Writes report.json and report.md into the folder, again after each part. Each part is a process of
its own with a limit of time, so that the next ones run whatever becomes of it; what it found until
then is kept. The first parts are worth the most. --rehearse runs all of it on a CPU at small sizes.
No network is asked for. What is missing on the machine comes from `gpu_wheels.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOTAL_S = 525
BUDGETS_S = {
    "card": 20,
    "parity": 60,
    "folder": 60,
    "latency": 120,
    "triton_kernels": 40,
    "out_of_memory": 30,
    "memory_truth": 90,
    "pictures": 60,
    "video": 60,
    "codecs": 40,
    "graphs": 20,
    "training": 90,
}
"""Seconds of each part, in order of worth; what one does not use is left for the last ones."""


def main() -> int:
    """Run the parts; 1 if one failed or found something wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--out", type=Path, default=Path("gpu-report"))
    parser.add_argument("--golden", type=Path, action="append", default=[], help="more of them")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--only", default=",".join(BUDGETS_S))
    parser.add_argument("--total", type=float, default=TOTAL_S, help="seconds for all parts")
    parser.add_argument("--part", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        return _child(arguments)
    return _parent(arguments)


def _parent(arguments: argparse.Namespace) -> int:
    arguments.out.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + arguments.total
    report: dict[str, Any] = {"rehearsal": arguments.rehearse, "parts": {}}
    for name in arguments.only.split(","):
        report["parts"][name] = _run(name, arguments, end)
        (arguments.out / "report.json").write_text(json.dumps(report, indent=1))
        (arguments.out / "report.md").write_text(_markdown(report))
        print(f"{name}: {report['parts'][name]['state']}", flush=True)
    bad = [name for name, part in report["parts"].items() if part["state"] != "done"]
    return 1 if bad else 0


def _run(name: str, arguments: argparse.Namespace, end: float) -> dict[str, Any]:
    """One part in its own process: its state, seconds, facts, and last words if it failed."""
    limit = min(BUDGETS_S[name] * (4 if arguments.rehearse else 1), end - time.monotonic())
    if limit < 5:
        return {"state": "no time left", "facts": []}
    found = arguments.out / f"{name}.jsonl"
    found.unlink(missing_ok=True)
    command = [sys.executable, __file__, "--part", name, "--out", str(arguments.out)]
    command += ["--rehearse"] * arguments.rehearse
    for folder in arguments.golden:
        command += ["--golden", str(folder)]
    paths = [str(ROOT), str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    start = time.monotonic()
    with (arguments.out / f"{name}.log").open("w") as log:
        child = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
        state = _waited(child, limit)
    lines = found.read_text().splitlines() if found.exists() else []
    facts = [json.loads(line) for line in lines if line.endswith("}")]
    if state == "done" and any(fact.get("ok") is False for fact in facts):
        state = "wrong"
    part = {"state": state, "s": round(time.monotonic() - start, 1), "facts": facts}
    if state == "failed":
        part["said"] = (arguments.out / f"{name}.log").read_text()[-1500:]
    return part


def _waited(child: subprocess.Popen[bytes], limit: float) -> str:
    try:
        return "done" if child.wait(limit) == 0 else "failed"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.wait()
        return "out of time"


def _child(arguments: argparse.Namespace) -> int:
    from gpu_parts import hardware, jobs, quick, right
    from gpu_parts.setting import Setting

    owners = (right, quick, jobs, hardware)
    part = next(
        getattr(owner, arguments.part) for owner in owners if hasattr(owner, arguments.part)
    )
    golden = (ROOT / "tests" / "golden", *arguments.golden)
    with tempfile.TemporaryDirectory() as scratch:
        setting = Setting(arguments.rehearse, golden, Path(scratch))
        with (arguments.out / f"{arguments.part}.jsonl").open("w") as out:
            for facts in part(setting):
                out.write(json.dumps(facts) + "\n")
                out.flush()
    return 0


def _markdown(report: dict[str, Any]) -> str:
    lines = ["# GPU report", ""]
    for name, part in report["parts"].items():
        lines += [f"## {name}: {part['state']}, {part.get('s', 0)} s", ""]
        lines += ["```", part["said"], "```", ""] if "said" in part else []
        lines += [*_table(part["facts"]), ""] if part["facts"] else []
    return "\n".join(lines)


def _table(facts: list[dict[str, Any]]) -> list[str]:
    keys = list(dict.fromkeys(key for fact in facts for key in fact))
    rows = [[str(fact.get(key, "")).replace("|", "/")[:200] for key in keys] for fact in facts]
    heads = ["| " + " | ".join(keys) + " |", "|" + "---|" * len(keys)]
    return heads + ["| " + " | ".join(row) + " |" for row in rows]


if __name__ == "__main__":
    sys.exit(main())
