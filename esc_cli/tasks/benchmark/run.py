"""`esc bench`: networks in, their time and memory out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from esc_cli.benchmark.macs import macs, parameter_count
from esc_cli.benchmark.published import SIZE, PublishedSpeed, published_speed
from esc_cli.benchmark.results import BenchRow, Key
from esc_cli.benchmark.speed import Repeats, Speed, measure
from esc_cli.benchmark.workload import Workload, planned_attention
from esc_cli.checkpoints.config_from_file import peek_at_scale
from esc_cli.checkpoints.store import Checkpoint, bundled, find, looks_like_path
from esc_cli.engine.precision import choose_device, choose_precision
from esc_cli.errors import EscError, SetupError, StoppedError, UsageError
from esc_cli.evaluation.published import published
from esc_cli.model.config import ATTENTION_KERNELS, NetworkConfig, variant_config
from esc_cli.tasks.benchmark.end_to_end import EndToEnd
from esc_cli.tasks.benchmark.events import (
    BenchEvent,
    BenchFailed,
    BenchOptions,
    BenchStarted,
    Measured,
    WholeJob,
)
from esc_cli.tasks.environment import bench_facts
from esc_cli.tasks.evaluate.methods import figure_name
from esc_cli.tasks.stop import Stop

PAPER = Repeats(warmup=100, runs=100)
ON_CPU = Repeats(warmup=1, runs=3)
"""A run takes seconds there, not milliseconds."""
FRESH = "fresh"
FACTORED = ", factored"
"""After a checkpoint's name: its tables of positions became factors, which nobody has scored."""


@dataclass(frozen=True)
class Subject:
    """A network to measure: its checkpoint, or None for fresh parameters."""

    name: str
    config: NetworkConfig
    checkpoint: Checkpoint | None

    @property
    def weights(self) -> str:
        """The checkpoint's name, or "fresh"."""
        return FRESH if self.checkpoint is None else self.checkpoint.name

    @property
    def path(self) -> Path | None:
        """The checkpoint's file."""
        return None if self.checkpoint is None else self.checkpoint.path.resolve()


@dataclass
class Benchmark:
    """Runs a benchmark; `failures` counts what could not be measured."""

    options: BenchOptions
    stop: Stop
    failures: int = 0

    def run(self) -> Iterator[BenchEvent]:
        """`BenchStarted`, then a `Measured` or `BenchFailed` per configuration.

        Raises UsageError, WeightsError and DeviceError before any work, StoppedError when asked
        to stop.
        """
        work = self._workloads()
        facts = bench_facts(self.device)
        if self.options.before is not None:
            self.options.before.check_machine(facts)
            self.options.before.check_any([_key(*each) for each in work])
        self._check_plot(work)
        yield BenchStarted(len(work), facts, self._how())
        for subject, workload in work:
            self.stop.check()
            if self.options.folder is None:
                yield self._guarded(subject, workload, self._one_pass)
            else:
                yield self._guarded(subject, workload, self._whole_job)

    @cached_property
    def device(self) -> torch.device:
        """The device that the options mean on this machine."""
        return choose_device(self.options.device)

    @property
    def repeats(self) -> Repeats:
        """As asked for; else the paper's, and few on a CPU."""
        usual = ON_CPU if self.device.type == "cpu" else PAPER
        options = self.options
        warmup = usual.warmup if options.warmup is None else options.warmup
        return Repeats(warmup, usual.runs if options.runs is None else options.runs)

    def _how(self) -> str:
        repeats, batch = self.repeats, self.options.batch
        clock = {"cuda": "CUDA events"}.get(self.device.type, "the wall clock")
        runs = f"{repeats.runs} runs timed by {clock} after {repeats.warmup} for warm-up"
        if self.options.folder is not None:
            return f"the whole pipeline on {self.device}, without start-up"
        return f"random input, batch {batch}, on {self.device}; {runs}; MB are 10^6 bytes"

    def _workloads(self) -> list[tuple[Subject, Workload]]:
        """Each configuration once, whatever it is called: auto may be what is named beside it."""
        options = self.options
        if options.folder is not None and (
            options.compiled or ATTENTION_KERNELS.keys() & set(options.attentions)
        ):
            raise UsageError("--end-to-end runs networks as esc upscale does, --attention auto")
        asked = [
            (subject, self._workload(subject, scale, precision, attention))
            for scale in options.scales
            for subject in (find_subject(name, scale) for name in options.models)
            for precision in options.precisions
            for attention in options.attentions
        ]
        found: dict[object, tuple[Subject, Workload]] = {}
        for subject, workload in asked:
            own = (_key(subject, workload), subject.path)
            found.setdefault(own, (subject, workload))
        return list(found.values())

    def _workload(self, subject: Subject, scale: int, precision: str, attention: str) -> Workload:
        width, height = self.options.size
        in_size = (height // scale, width // scale)
        if not all(in_size):
            raise UsageError(f"--size {width}x{height} is less than a pixel at scale {scale}")
        return Workload(
            config=subject.config,
            checkpoint=subject.checkpoint,
            device=str(self.device),
            precision=choose_precision(precision, self.device),
            attention=attention,
            compiled=self.options.compiled,
            batch=self.options.batch,
            in_size=in_size,
            out_size=(in_size[0] * scale, in_size[1] * scale),
        )

    def _check_plot(self, work: list[tuple[Subject, Workload]]) -> None:
        if self.options.plot and not any(psnr_of(*each)[1] for each in work):
            raise UsageError("--plot: no PSNR is known for these models and scales")

    def _guarded(
        self,
        subject: Subject,
        workload: Workload,
        work: Callable[[Subject, Workload], Measured | WholeJob],
    ) -> BenchEvent:
        try:
            return work(subject, workload)
        except StoppedError:
            raise
        except EscError as error:
            if isinstance(error, (SetupError, UsageError)):
                raise
            self.failures += 1
            kind = f"{workload.precision}, {workload.attention}"
            return BenchFailed(f"{subject.name} {kind}", str(error))

    def _one_pass(self, subject: Subject, workload: Workload) -> Measured:
        return Measured(_row(subject, workload, measure(workload, self.repeats, self.stop.check)))

    def _whole_job(self, subject: Subject, workload: Workload) -> WholeJob:
        options = self.options
        if options.folder is None:
            raise ValueError("a whole job needs a folder")
        return EndToEnd(options.folder, options.scratch, self.stop).run(subject.name, workload)


def find_subject(name: str, scale: int) -> Subject:
    """The network that a name or a path means at exactly this scale.

    A variant without weights here gets fresh parameters. Raises UsageError and WeightsError.
    """
    records = [c.record for c in bundled() if c.record]
    if looks_like_path(name) or any(
        name in (r.name, r.variant) and r.scale == scale for r in records
    ):
        checkpoint = find(name, scale)
        config = peek_at_scale(checkpoint, scale)
        record = checkpoint.record
        return Subject(record.variant if record else checkpoint.path.stem, config, checkpoint)
    any_scale = variant_config(name).any_scale
    return Subject(name, variant_config(name, None if any_scale else scale), None)


def psnr_of(subject: Subject, workload: Workload) -> tuple[float | None, str]:
    """PSNR on Set5 and where it is from: the record of bundled weights, or the paper."""
    known: dict[str, float] = {}
    record = subject.checkpoint.record if subject.checkpoint else None
    if subject.checkpoint is None:
        name = figure_name(workload.as_run)
        known = published(name, _scale(workload), "Set5")
    elif record is not None and workload.as_run == workload.config:
        known = {"psnr_y": record.scores.get("Set5", {}).get("psnr", 0.0)}
    psnr = known.get("psnr_y") or None
    return psnr, ("published" if record is None else "measured") if psnr else ""


def _key(subject: Subject, workload: Workload) -> Key:
    """The `BenchRow.key` that a workload will have."""
    return Key(
        model=subject.name,
        scale=_scale(workload),
        device=workload.device,
        precision=workload.precision,
        attention=planned_attention(workload),
        compiled=workload.compiled,
        batch=workload.batch,
        input_size=(workload.in_size[1], workload.in_size[0]),
    )


def _scale(workload: Workload) -> int:
    return workload.out_size[0] // workload.in_size[0]


def _row(subject: Subject, workload: Workload, speed: Speed) -> BenchRow:
    scale = _scale(workload)
    psnr, source = psnr_of(subject, workload)
    per_s = 1000 * workload.batch / speed.median_ms
    pixels = workload.out_size[0] * workload.out_size[1]
    return BenchRow(
        model=subject.name,
        scale=scale,
        device=workload.device,
        precision=workload.precision,
        attention=speed.attention,
        compiled=workload.compiled,
        batch=workload.batch,
        input_size=(workload.in_size[1], workload.in_size[0]),
        output_size=(workload.out_size[1], workload.out_size[0]),
        weights=subject.weights + (FACTORED if _is_factored(workload) else ""),
        parameters=parameter_count(workload.as_run),
        gmacs=macs(workload.as_run, workload.in_size, workload.out_size, workload.batch) / 1e9,
        median_ms=speed.median_ms,
        mean_ms=speed.mean_ms,
        p10_ms=speed.percentile_ms(10),
        p90_ms=speed.percentile_ms(90),
        cpu_ms=sum(speed.cpu_ms) / len(speed.cpu_ms),
        images_per_s=per_s,
        megapixels_per_s=per_s * pixels / 1e6,
        peak_bytes=speed.peak_bytes,
        reserved_bytes=speed.reserved_bytes,
        idle_bytes=speed.idle_bytes,
        threads=speed.threads,
        wall_ms=tuple(round(ms, 3) for ms in speed.wall_ms),
        published=_printed(workload, scale),
        psnr=psnr,
        psnr_source=source,
    )


def _is_factored(workload: Workload) -> bool:
    return workload.checkpoint is not None and workload.as_run != workload.config


def _printed(workload: Workload, scale: int) -> PublishedSpeed | None:
    """The paper's figures, for its size only."""
    wanted = (SIZE[0] // scale, SIZE[1] // scale)
    if workload.in_size != wanted or workload.batch != 1:
        return None
    return published_speed(figure_name(workload.as_run), scale)
