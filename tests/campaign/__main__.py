"""`python -m tests.campaign`: damaged pictures of every format through `esc upscale`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tests.campaign.batches import BATCH, LIMIT_S, MAX_PIXELS, MEMORY_BYTES, Result, run_batch
from tests.campaign.cases import case
from tests.campaign.report import table
from tests.campaign.worker import Worker

LARGEST_BYTES = 200_000


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaign", description=__doc__)
    parser.add_argument("--seconds", type=float, help="go on for so long (default: 60)")
    parser.add_argument("--count", type=int, help="pictures, instead of seconds")
    parser.add_argument("--seed", type=int, default=1, help="of the whole campaign (1)")
    parser.add_argument("--replay", type=int, action="append", help="only the case of this number")
    parser.add_argument("--files", type=Path, help="damage the files below this folder instead")
    parser.add_argument("--keep", type=Path, help="a folder for the files that broke a promise")
    return parser.parse_args()


def _batches(args: argparse.Namespace) -> Iterator[list[int]]:
    """The numbers of the cases, a folder at a time."""
    if args.replay:
        yield from ([number] for number in args.replay)
        return
    start, most = time.monotonic(), args.count
    limit_s = (60.0 if most is None else float("inf")) if args.seconds is None else args.seconds
    for first in count(0, BATCH):
        end = first + BATCH if most is None else min(first + BATCH, most)
        if first >= end or time.monotonic() - start >= limit_s:
            return
        yield list(range(first, end))


def main() -> int:
    """Run the campaign; 1 when a promise was broken."""
    args = _arguments()
    files = _small_files(args.files) if args.files is not None else ()
    worker, whole, start = Worker(MEMORY_BYTES), Result(), time.monotonic()
    try:
        for numbers in _batches(args):
            result = run_batch([case(args.seed, number, files) for number in numbers], worker)
            whole.rows += result.rows
            whole.violations += result.violations
            for broken in result.violations:
                print(f"seed {args.seed}, case {broken.case}: {broken.what}", flush=True)
                _keep(args, broken.case, files)
            if args.replay:
                print(*result.rows, sep="\n")
    finally:
        worker.close()
    print(f"\n{table(whole.rows)}\n")
    print(
        f"{len(whole.rows)} pictures with seed {args.seed} in {time.monotonic() - start:.0f} s, "
        f"each at most {MAX_PIXELS:,} pixels, {LIMIT_S:g} s and {MEMORY_BYTES >> 20} MiB; "
        f"{worker.starts} processes; {len(whole.violations)} broken promises"
    )
    return int(bool(whole.violations))


def _small_files(folder: Path) -> tuple[Path, ...]:
    """Files of a corpus; large ones would only take the time of others."""
    return tuple(
        sorted(p for p in folder.rglob("*") if p.is_file() and p.stat().st_size < LARGEST_BYTES)
    )


def _keep(args: argparse.Namespace, number: int, files: tuple[Path, ...]) -> None:
    if args.keep is not None and number >= 0:
        one = case(args.seed, number, files)
        args.keep.mkdir(parents=True, exist_ok=True)
        (args.keep / f"{args.seed}-{one.name}").write_bytes(one.content)


if __name__ == "__main__":
    sys.exit(main())
