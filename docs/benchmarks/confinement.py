"""What a process of its own for the decoders costs: `esc upscale` with it and without, in turns.

OMP_NUM_THREADS=1 python docs/benchmarks/confinement.py

Processor time counts all processes of a run, also those that it leaves to the system (on Linux).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

WITH, WITHOUT = "with", "without"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER: orphans become children of this process (prctl(2))
PROGRAM = {
    WITH: "from esc_cli.cli.app import main; main()",
    # As on Windows, where all of it is done in the process of esc.
    WITHOUT: """
from esc_cli.media import confined
from esc_cli.media import decode as here
confined.probe = lambda source, bounds: here.probe(
    source, bounds.max_pixels, bounds.allow_truncated)
confined.metadata = lambda source, bounds: here.metadata(
    source, bounds.max_pixels, bounds.allow_truncated)
confined.decode = lambda content, header, bounds: here.decode(
    content, bounds.max_pixels, bounds.allow_truncated)
from esc_cli.cli.app import main
main()
""",
}


def draw(folder: Path, count: int, width: int, height: int) -> None:
    """Pictures of `count` smooth gradients with noise, as JPEG and PNG in turns."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[0:height, 0:width]
    for number in range(count):
        phase = random.random(3) * 6
        waves = np.sin(rows[..., None] / 40 + columns[..., None] / 30 + phase) * 90 + 128
        pixels = (waves + random.normal(0, 6, waves.shape)).clip(0, 255).astype(np.uint8)
        suffix = "png" if number % 2 else "jpg"
        Image.fromarray(pixels).save(folder / f"{number:04}.{suffix}", quality=92)


def run(which: str, folder: Path, target: Path) -> tuple[float, float]:
    """(seconds, seconds of a processor) of one run into a new folder."""
    before, start = _used(), time.monotonic()
    words = ["upscale", str(folder), "-o", str(target), "-m", "esc-tiny", "-s", "2", "--quiet"]
    subprocess.run([sys.executable, "-c", PROGRAM[which], *words], check=True)
    seconds = time.monotonic() - start
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return seconds, _used() - before


def _used() -> float:
    return sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, nargs=2, default=(320, 240))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
    found: dict[str, list[tuple[float, float]]] = {WITH: [], WITHOUT: []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "in"
        folder.mkdir()
        draw(folder, arguments.count, *arguments.size)
        for number in range(arguments.rounds):
            for which in (WITH, WITHOUT) if number % 2 else (WITHOUT, WITH):
                found[which].append(run(which, folder, Path(place) / f"{which}{number}"))
                print(
                    which, "{:.2f} s, {:.2f} s of a processor".format(*found[which][-1]), flush=True
                )
    for index, name in enumerate(("wall", "processor")):
        medians = {which: statistics.median(one[index] for one in found[which]) for which in found}
        print(
            f"{name}: {medians[WITH]:.2f} / {medians[WITHOUT]:.2f} s = "
            f"{medians[WITH] / medians[WITHOUT]:.3f}"
        )


if __name__ == "__main__":
    main()
