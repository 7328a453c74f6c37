"""A folder of very many small pictures, six of them bad: time, memory on the way, a second run.

python docs/benchmarks/many.py --count 20000
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

BAD = 6
SIDE = 8


def draw(folder: Path, count: int) -> None:
    values = np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
    for number, pixels in enumerate(values):
        Image.fromarray(pixels).save(folder / f"{number:06}.png")
    for number in range(0, BAD * (count // BAD), count // BAD):
        (folder / f"{number:06}.png").write_bytes(b"no picture")


def measured(folder: Path, words: list[str]) -> None:
    """Run once; print seconds, exit code, failures, and memory at tenths of the way."""
    start = time.monotonic()
    command = [sys.executable, "-m", "esc_cli", "upscale", str(folder), "--quiet", *words]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    own, seen = psutil.Process(process.pid), []
    while process.poll() is None:
        try:
            seen.append(own.memory_info().rss / 1e6)
        except psutil.Error:
            break
        time.sleep(0.2)
    failures = [line for line in process.communicate()[1].splitlines() if "failed: " in line]
    print(
        f"{time.monotonic() - start:.1f} s, exit code {process.returncode}, {len(failures)} named",
        flush=True,
    )
    tenths = [seen[len(seen) * part // 10] for part in range(1, 10)]
    print("MB at each tenth of the time:", " ".join(f"{value:.0f}" for value in tenths))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("words", nargs="*", help="options of esc upscale, after --")
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        draw(folder, arguments.count)
        for _ in range(2):
            measured(folder, arguments.words)


if __name__ == "__main__":
    main()
