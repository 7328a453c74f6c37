"""`esc bench --end-to-end`: a real folder through the real pipeline, beside the network alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file

from esc_cli.benchmark.workload import Workload, make_network, planned_attention
from esc_cli.engine.options import EngineOptions
from esc_cli.errors import DiskError, ItemError, UsageError
from esc_cli.media.confined import Bounds
from esc_cli.model.config import FLASHBIAS
from esc_cli.tasks.benchmark.events import Stage, WholeJob
from esc_cli.tasks.defaults import MAX_PIXELS
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.disk import check_disk, make_folders
from esc_cli.tasks.upscale.events import Item
from esc_cli.tasks.upscale.job import Job, StreamedJob
from esc_cli.tasks.upscale.network_step import local_steps
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.pipeline import Pipeline
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.stages import decode_stage, network_stage

STAGES = ("decode", "network", "encode")


@dataclass
class EndToEnd:
    """One network over one folder; nothing that it writes into a folder stays."""

    folder: Path
    scratch: Path | None
    stop: Stop

    def run(self, name: str, workload: Workload) -> WholeJob:
        """Measure. Raises UsageError for a folder without pictures, ItemError if one fails."""
        with _temporary(self.scratch) as home:
            scale = workload.out_size[0] // workload.in_size[0]
            options = UpscaleOptions(
                inputs=(str(self.folder),),
                output=str(home / "results"),
                model=str(_weights(workload, home)),
                target=Target(scale=scale),
                engine=EngineOptions(workload.device, workload.precision),
            )
            return self._measured(name, workload, options)

    def _measured(self, name: str, workload: Workload, options: UpscaleOptions) -> WholeJob:
        models, shelf = Models(options.model, options.engine), RecordShelf()
        jobs = self._jobs(options, models, shelf)
        self._alone(jobs[:1], models)  # warm
        halves = [self._alone(jobs[::2], models)]
        start = time.perf_counter()
        steps = local_steps(options, models, shelf, self.stop)
        events = Pipeline(options, steps, shelf, self.stop).run(jobs)
        items = [event for event in events if isinstance(event, Item)]
        seconds = time.perf_counter() - start
        self.stop.check()
        _refuse_failures(items)
        halves.append(self._alone(jobs[1::2], models))
        stages: Counter[str] = Counter()
        for item in items:
            stages.update(item.seconds)
        return WholeJob(
            model=name,
            scale=workload.out_size[0] // workload.in_size[0],
            device=workload.device,
            precision=workload.precision,
            attention=planned_attention(workload),
            pictures=len(jobs),
            megapixels=sum(job.size[0] * job.size[1] for job in jobs) / 1e6,
            seconds=seconds,
            stages=tuple(Stage(stage, stages[stage]) for stage in STAGES),
            idle_s=max(0.0, seconds - stages["network"]),
            images_per_s=len(jobs) / seconds,
            alone_images_per_s=len(jobs) / sum(halves),
        )

    def _jobs(self, options: UpscaleOptions, models: Models, shelf: RecordShelf) -> list[Job]:
        plan = Planner(options, models, shelf).plan()
        _refuse_failures(plan.settled)
        jobs = [job for job in plan.jobs if not isinstance(job, StreamedJob)]
        if not jobs:
            raise UsageError("holds no pictures", self.folder)
        check_disk(jobs, options)
        make_folders(jobs)
        return jobs

    def _alone(self, jobs: Sequence[Job], models: Models) -> float:
        """Seconds that the network stage takes when nothing else runs, the pictures decoded."""
        seconds = 0.0
        for job in jobs:
            self.stop.check()
            work = network_stage(decode_stage(job, Bounds(MAX_PIXELS)), models, self.stop)
            seconds += work.seconds["network"]
        return seconds


def _refuse_failures(items: Sequence[Item]) -> None:
    for item in items:
        if item.status == "failed":
            raise ItemError(item.reason, item.input)


@contextmanager
def _temporary(scratch: Path | None) -> Iterator[Path]:
    try:
        if scratch is not None:
            scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="esc-bench-", dir=scratch) as home:
            yield Path(home)
    except OSError as error:
        what = f"cannot be written: {error.strerror}"
        raise DiskError(what, scratch, "choose another --out") from error


def _weights(workload: Workload, home: Path) -> Path:
    """The checkpoint's file, or one with fresh parameters."""
    if workload.checkpoint is not None and workload.attention != FLASHBIAS:
        return workload.checkpoint.path
    torch.manual_seed(0)
    path = home / "weights.safetensors"
    state = make_network(workload).state_dict()
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    return path
