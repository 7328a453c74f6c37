"""How many items a cluster's driver hands out: its own code, real Ray, workers without work.

Processes of the cluster hold many workers each, as threads: a thousand processes do not fit here.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.cluster import driver
from esc_cli.tasks.upscale.cluster.agreement import Greeting
from esc_cli.tasks.upscale.cluster.ray_cluster import Place, RayCluster
from esc_cli.tasks.upscale.cluster.worker import Brief
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job, item_of
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session

PROCESSES = 4
PORT = 20000 + os.getpid() % 10000
ITEMS_EACH, LEAST_ITEMS = 8, 2000
WORK_S = (0.0, 2.0)
"""Empty work, and as long as a picture takes."""


class Idler:
    """A worker that does nothing, for so many seconds an item."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def greet(self) -> Iterator[Greeting]:
        """It agrees."""
        yield Greeting("idler", "cpu", "fp32")

    def work(self, job: Job, _left: float | None, _share: object) -> Iterator[Item]:
        """The item, undone."""
        time.sleep(self.seconds)
        yield item_of(job, "done")


@dataclass
class Crowd(RayCluster):
    """So many workers in few processes; all else as it is."""

    count: int = 1
    seconds: float = 0.0
    _processes: list[Any] = field(default_factory=list)

    def places(self, device: str) -> list[Place]:
        """All of them on the machine that works."""
        node = super().places(device)[0]
        return [Place(node.node, i, node.host, node.address, 0, 0) for i in range(self.count)]

    def start(self, place: Place, wanted: Mapping[str, str], brief: Brief) -> None:  # noqa: ARG002
        """A thread of one of the processes."""
        threads = -(-self.count // PROCESSES)
        if len(self._processes) < PROCESSES:
            actor = self._ray.remote(Idler).options(num_cpus=0, max_concurrency=threads)
            self._processes.append(actor.remote(self.seconds))
        worker = self._processes[place.index % PROCESSES]
        self._workers[place] = worker
        self._talks[worker.greet.options(num_returns="streaming").remote()] = place


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """A head and a node on this machine, ended after the block."""
    environment = os.environ | {
        "RAY_AUTH_MODE": "disabled",
        "RAY_USAGE_STATS_ENABLED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    words = ("--head", f"--port={PORT}", "--num-cpus=2", "--include-dashboard=false", "--block")
    sizes = ("--object-store-memory=200000000", f"--temp-dir={folder}/ray")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *sizes]
    log = folder / "log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    try:
        while "runtime started" not in log.read_text():
            if process.poll() is not None:
                raise SystemExit(log.read_text())
            time.sleep(0.2)
        yield f"127.0.0.1:{PORT}"
    finally:
        for one in [*psutil.Process(process.pid).children(recursive=True), process]:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()


def measured(jobs: list[Job], address: str, count: int, seconds: float) -> tuple[float, ...]:
    """(items a second, milliseconds of this process an item, share of the time that workers work).

    From the first item on, which comes when all have started.
    """
    options = UpscaleOptions((os.fspath(jobs[0].source.path),), cluster=address)
    runner = driver.ClusterPipeline(options, address, Stop())
    driver.RayCluster = lambda where: Crowd(where, count=count, seconds=seconds)  # type: ignore[misc,assignment]
    batch = jobs * max(0 if seconds else LEAST_ITEMS, ITEMS_EACH * count)
    with runner.prepared(()):
        items = (event for event in runner.run(batch) if isinstance(event, Item))
        next(items)
        wall, own = time.perf_counter(), time.process_time()
        done = sum(1 for _ in items)
        wall, own = time.perf_counter() - wall, time.process_time() - own
    return done / wall, own / done * 1e3, (ITEMS_EACH - 1) * seconds / wall


def measure(counts: list[int]) -> None:
    """Print a table."""
    print("\n| workers | work, s | items/s | driver, ms of processor an item | workers at work |")
    print("|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="esc-ray-") as name:
        picture = Path(name) / "in" / "one.png"
        picture.parent.mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(picture)
        options = UpscaleOptions((os.fspath(picture.parent),), model="esc-tiny")
        session = Session.of(options)
        jobs = Planner(options, session.models, session.shelf).plan().jobs
        jobs[0].output.parent.mkdir()
        with cluster(Path(name)) as address:
            for count in counts:
                for seconds in WORK_S:
                    rate, cost, busy = measured(jobs, address, count, seconds)
                    share = f"{busy:.0%}" if seconds else ""
                    print(f"| {count:,} | {seconds:g} | {rate:.0f} | {cost:.2f} | {share} |")
