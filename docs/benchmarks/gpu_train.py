"""Train in stretches of minutes, from and to states that are small enough to be carried.

    python docs/benchmarks/gpu_train.py pack /data/blocks --out blocks.tar
    python docs/benchmarks/gpu_train.py stretch --data blocks.tar --recipe esc-light-photo \
        --state state.pt --minutes 9
    python docs/benchmarks/gpu_train.py --rehearse

`pack` takes blocks evenly from a folder until the file would be larger than 45 MiB. `stretch` goes
on from the state, if it is there, and writes the next one, whole or not at all, at most 16 MiB. A
photo network begins from the classic weights given by --init. The recipe's schedule runs over all
stretches together (--iterations), so each must be told the same. --rehearse packs made-up blocks
and trains two short stretches of a classic and of a photo network on the CPU.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA_BYTES, STATE_BYTES = 45 << 20, 16 << 20
SUFFIXES = {".webp", ".png", ".jpg"}
STOPPED = 143
"""The exit code of a run that ended as it was asked to, its checkpoint written."""


def main() -> int:
    """Pack, train, or rehearse both."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rehearse", action="store_true")
    kinds = parser.add_subparsers(dest="what")
    packing = kinds.add_parser("pack")
    packing.add_argument("folder", type=Path)
    packing.add_argument("--out", type=Path, required=True)
    stretching = kinds.add_parser("stretch")
    stretching.add_argument("--data", type=Path, required=True)
    stretching.add_argument("--recipe", required=True)
    stretching.add_argument("--state", type=Path, required=True)
    stretching.add_argument("--minutes", type=float, default=9.0)
    stretching.add_argument("--iterations", type=int)
    stretching.add_argument("--init")
    stretching.add_argument("--device", default="cuda")
    arguments = parser.parse_args()
    if arguments.rehearse:
        return _rehearse()
    if arguments.what == "pack":
        return pack(arguments.folder, arguments.out)
    if arguments.what is None:
        parser.error("pack, stretch or --rehearse")
    return stretch(arguments)


def pack(folder: Path, out: Path, limit: int = DATA_BYTES) -> int:
    """A tar file of as many blocks as fit, spread over all of them."""
    blocks = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    padded = [(path.stat().st_size + 511) // 512 * 512 + 1536 for path in blocks]
    share = min(1.0, (limit - (1 << 16)) / max(1, sum(padded)))
    taken, room = 0, limit - (1 << 16)
    with tarfile.open(out, "w") as archive:
        for number, (path, size) in enumerate(zip(blocks, padded, strict=True), start=1):
            if taken < round(number * share) and size <= room:
                archive.add(path, path.name)
                taken, room = taken + 1, room - size
    print(f"{out}: {taken} of {len(blocks)} blocks, {out.stat().st_size / 2**20:.1f} MiB")
    return 0 if taken > 0 and out.stat().st_size <= limit else 1


def stretch(arguments: argparse.Namespace) -> int:
    """Train from the state for so many minutes, and put the next state in its place."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        folder, run = Path(scratch) / "blocks", Path(scratch) / "run"
        with tarfile.open(arguments.data) as archive:
            archive.extractall(folder, filter="data")
        resumed = arguments.state.is_file()
        if resumed:
            (run / "checkpoints").mkdir(parents=True)
            shutil.copy(arguments.state, run / "checkpoints" / "step-00000001.pt")
        command = _command(arguments, folder, run, resumed)
        code = _for_a_while(command, 60 * arguments.minutes - (time.monotonic() - begun))
        made = sorted((run / "checkpoints").glob("step-*.pt"))
        if code not in (0, STOPPED) or not made:
            print(f"esc train ended with {code}; the state stays as it was", file=sys.stderr)
            return 1
        return _keep(made[-1], arguments.state)


def _command(arguments: argparse.Namespace, folder: Path, run: Path, resumed: bool) -> list[str]:
    command = [sys.executable, "-m", "esc_cli", "train", arguments.recipe]
    command += ["-d", str(folder), "-o", str(run), "--device", arguments.device, "--keep", "1"]
    command += ["--log-every", "100", "--cache", str(run.with_name("cache")), "--scale", "4"]
    if arguments.iterations:
        command += ["--iterations", str(arguments.iterations)]
    if resumed:
        return [*command, "--resume", "auto"]
    return [*command, "--init", arguments.init, "--offline"] if arguments.init else command


def _for_a_while(command: list[str], seconds: float) -> int:
    """Run a command; ask it to stop after a time, as it does with a checkpoint written."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH", ""))))
    child = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    try:
        return child.wait(max(1.0, seconds))
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGTERM)
        return child.wait()


def _keep(checkpoint: Path, state: Path) -> int:
    size = checkpoint.stat().st_size
    if size > STATE_BYTES:
        print(f"a state of {size / 2**20:.1f} MiB is more than 16 MiB", file=sys.stderr)
        return 1
    part = state.with_name(state.name + ".part")
    shutil.copy(checkpoint, part)
    part.replace(state)
    print(f"{state}: {checkpoint.stem}, {size / 2**20:.1f} MiB")
    return 0


def _rehearse() -> int:
    import numpy as np
    from PIL import Image

    with tempfile.TemporaryDirectory() as scratch:
        folder, data = Path(scratch) / "made", Path(scratch) / "blocks.tar"
        folder.mkdir()
        for number in range(4):
            pixels = np.random.default_rng(number).integers(0, 256, (256, 256, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        codes = [pack(folder, data)]
        for recipe in ("esc-tiny", "esc-tiny-photo"):
            for iterations in (3, 6):
                command = [sys.executable, __file__, "stretch", "--data", str(data)]
                command += ["--recipe", recipe, "--state", str(Path(scratch) / f"{recipe}.pt")]
                command += ["--device", "cpu", "--iterations", str(iterations)]
                codes.append(subprocess.run(command, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main())
