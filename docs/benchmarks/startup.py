"""CPU and wall time until esc does something, in fresh processes that take turns.

`esc --help`, `import torch`, and `esc upscale` of one small picture until its result exists.
python docs/benchmarks/startup.py --repeats 10
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from esc_cli.tasks.environment import bench_facts

IMPORT = "import sys, pathlib, torch; pathlib.Path(sys.argv[1]).touch()"
ESC = (sys.executable, "-m", "esc_cli")
ENVIRONMENT = {
    name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
}
TORCH, PICTURE = "import torch", "first picture"


@dataclass(frozen=True)
class Cost:
    """Seconds of one process."""

    cpu: float
    wall: float

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.cpu - other.cpu, self.wall - other.wall)


def cost(command: tuple[str, ...], result: Path | None = None) -> Cost:
    """CPU time until the process ends; wall time until `result` exists, or the end."""
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    wall, ended = 0.0, 0
    while not ended:
        time.sleep(0.001)
        ended, status, usage = os.wait4(process.pid, os.WNOHANG)
        if not wall and (ended or (result is not None and result.exists())):
            wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Cost(usage.ru_utime + usage.ru_stime, wall)


def import_torch(home: Path) -> Cost:
    """Until torch is there; that Python takes a while to end with it is of no concern."""
    result = home / "imported"
    result.unlink(missing_ok=True)
    return cost((sys.executable, "-c", IMPORT, str(result)), result)


def first_picture(home: Path, model: str | None) -> Cost:
    """`esc upscale` of one picture, by the bundled network unless another is named."""
    result = home / "result.png"
    result.unlink(missing_ok=True)
    options = ("--device", "cpu", "--quiet", *(("--model", model) if model else ()))
    return cost((*ESC, "upscale", str(home / "in.png"), "-o", str(result), *options), result)


def row(what: str, costs: list[Cost]) -> str:
    """Median and smallest, in seconds."""
    cells = [
        f"{pick(getattr(one, kind) for one in costs):.2f}"
        for kind in ("cpu", "wall")
        for pick in (statistics.median, min)
    ]
    return f"| {what} | {' | '.join(cells)} |"


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--repeats", type=int, default=10)
parser.add_argument("--side", type=int, default=64, help="of the picture, in pixels")
parser.add_argument("--model", help="a name or a file; default: the bundled network")
arguments = parser.parse_args()
load = os.getloadavg()[0]
rounds: list[dict[str, Cost]] = []
with tempfile.TemporaryDirectory() as folder:
    home = Path(folder)
    Image.effect_noise((arguments.side,) * 2, 50).convert("RGB").save(home / "in.png")
    for _ in range(arguments.repeats + 1):
        costs = {"`esc --help`": cost((*ESC, "--help")), TORCH: import_torch(home)}
        rounds.append(costs | {PICTURE: first_picture(home, arguments.model)})
del rounds[0]  # compiles the bytecode and fills the page cache

print("| what | CPU, median | CPU, least | wall, median | wall, least |")
print("|---|---|---|---|---|")
for what in rounds[0]:
    print(row(what, [one[what] for one in rounds]))
print(row(f"{PICTURE} less {TORCH}", [one[PICTURE] - one[TORCH] for one in rounds]))
facts = bench_facts(torch.device("cpu"))
facts |= {"rounds": str(len(rounds)), "load before": f"{load:.1f}"}
print("\n" + "; ".join(f"{name}: {value}" for name, value in facts.items()))
