"""What a batch takes before its first picture: listing, planning, records; in fresh processes.

Seconds are those of the processor, which other programs do not lengthen.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

SIDE, IN_A_FOLDER, SHARES = 8, 1000, 64
FULL = 10_000_000
MODEL = "esc-tiny"


def draw(root: Path, count: int) -> None:
    """So many pictures of 8 x 8, a thousand in a folder."""
    values = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, "PNG")
    for number in range(count):
        folder = root / f"{number // IN_A_FOLDER:05}"
        if number % IN_A_FOLDER == 0:
            folder.mkdir(parents=True)
        (folder / f"{number:08}.png").write_bytes(stream.getvalue())


def finish(root: Path) -> None:
    """Results, which are no pictures, and the records that esc would have kept of them."""
    from esc_cli.tasks.upscale.records import FileState

    planner = _planner(root, "")
    found = planner.find()
    job = planner.plan(replace(found, sources=found.sources[:1])).jobs[0]
    records = planner.shelf.at(job.root)
    records.root.mkdir(exist_ok=True)
    with records.path.open("w") as lines:
        for source in found.sources:
            output = job.root / source.relative
            output.parent.mkdir(parents=True, exist_ok=True)
            output.write_bytes(b"result")
            own, made = source.path.stat(), output.stat()
            states = [FileState(one.st_size, one.st_mtime_ns, "0" * 64) for one in (own, made)]
            record = replace(job, source=source).record(*states, records.relative(output))
            line = asdict(record) | {"at_ns": time.time_ns()}
            lines.write(json.dumps(line, separators=(",", ":")) + "\n")


def _options(root: Path, share: str, **wish):
    from esc_cli.tasks.upscale.options import UpscaleOptions
    from esc_cli.tasks.upscale.shard import parse_shard

    shard = parse_shard(share, {}) if share else None
    return UpscaleOptions((os.fspath(root),), model=MODEL, shard=shard, **wish)


def _planner(root: Path, share: str):
    from esc_cli.tasks.upscale.plan import Planner
    from esc_cli.tasks.upscale.run import Session

    options = _options(root, share)
    session = Session.of(options)
    return Planner(options, session.models, session.shelf)


def list_all(root: Path) -> int:
    """Walk the folder, as a plan begins."""
    from esc_cli.media.paths import Selection, find_sources

    shelf = _planner(root, "").shelf
    found = find_sources(
        (os.fspath(root),), Selection(), output_root=None, source_of=shelf.source_of
    )
    return len(found.sources)


def plan_all(root: Path, share: str = "") -> int:
    """Plan all of it, as a dry run does."""
    from esc_cli.tasks.upscale.events import Item
    from esc_cli.tasks.upscale.run import upscale

    return sum(isinstance(one, Item) for one in upscale(_options(root, share, dry_run=True)))


def plan_share(root: Path) -> int:
    """Plan one of 64 shares."""
    return plan_all(root, f"1/{SHARES}")


def first_item(root: Path) -> int:
    """All up to the first picture that is done, its network loaded and run."""
    from esc_cli.tasks.upscale.events import Item
    from esc_cli.tasks.upscale.run import upscale

    return any(
        isinstance(one, Item) and one.status == "done" for one in upscale(_options(root, ""))
    )


def run_again(root: Path) -> int:
    """All of a run over what is finished: each item is told as skipped."""
    from esc_cli.tasks.upscale.events import Item, Summary
    from esc_cli.tasks.upscale.run import upscale

    skipped = 0
    for event in upscale(_options(root, "")):
        skipped += isinstance(event, Item) and event.status == "skipped"
        if isinstance(event, Summary) and event.exit_code:
            raise SystemExit(f"ended with {event.exit_code}")
    return skipped


def read_records(root: Path) -> int:
    """Read the records of all."""
    shelf = _planner(root, "").shelf
    return len(shelf.at(root.with_name(f"{root.name}_x4")).by_output)


STEPS: dict[str, Callable[[Path], int]] = {
    "list": list_all,
    "first item": first_item,
    "plan": plan_all,
    "plan a share of 64": plan_share,
    "read records": read_records,
    "plan a share again": plan_share,
    "run again": run_again,
}


def measured(step: str, root: Path) -> tuple[float, float]:
    """(seconds of the processor, MB above what an empty process has), in a process of its own."""
    command = [sys.executable, __file__, step, os.fspath(root)]
    paths = os.pathsep.join(filter(None, (str(Path(__file__).parents[3]), *sys.path)))
    ran = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": paths}
    )
    seconds, megabytes, count = json.loads(ran.stdout.splitlines()[-1])
    if not count:
        raise SystemExit(f"{step} found nothing")
    return seconds, megabytes


def measure(count: int) -> None:
    """Print a table, with what it comes to at ten million."""
    print(f"\n{count:,} pictures, and what follows for {FULL:,}\n")
    print("| step | s | MB | kB an item | hours, all | GB, all |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "in"
        draw(root, count)
        for step in STEPS:
            if step == "read records":
                shutil.rmtree(root.with_name(f"{root.name}_x4"))
                finish(root)
            seconds, megabytes = measured(step, root)
            growth = FULL / count
            print(
                f"| {step} | {seconds:.1f} | {megabytes:.0f} | {megabytes / count * 1e3:.2f} "
                f"| {seconds * growth / 3600:.1f} | {megabytes * growth / 1e3:.1f} |",
                flush=True,
            )
        records = next((root.parent / "in_x4").glob(".esc-records*"))
        size = records.stat().st_size
        print(f"\nrecords on disk: {size / count:.0f} bytes an item, {size / count * 1e-2:.1f} GB")


def _memory_mb(name: str) -> float:
    """VmRSS or VmHWM, its peak: those of `getrusage` go on from the parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith(name))


def main() -> None:
    """One step, in this process; what is loaded anyway is loaded before."""
    step, root = sys.argv[1], Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as name:
        draw(Path(name) / "few", 2)
        first_item(Path(name) / "few")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak begins anew
    before, start = _memory_mb("VmRSS"), time.process_time()
    count = STEPS[step](root)
    print(json.dumps([time.process_time() - start, _memory_mb("VmHWM") - before, count]))


if __name__ == "__main__":
    main()
