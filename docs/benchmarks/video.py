"""How well decoder, network and encoder overlap: each stage alone, then all together.

    python docs/benchmarks/video.py [--size 320x180] [--scale 2] [--frames 48] [--repeats 3]

Prints frames per second. "encode" is all that a run does with finished frames: they are kept
without a loss, and groups are encoded from them. "together" runs the same three stages as `esc
upscale` does, over the same frames; its share of the slowest stage alone is what the pipeline
loses. The runs alternate,
so that a machine that others use as well slows all of them down alike; the median of each counts,
and all are printed. How long the network waits for the others is measured within each run, and
processor time beside the rate, because both tell something on a busy machine too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np

from esc_cli.engine.options import EngineOptions
from esc_cli.files.source import status_of
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless
from esc_cli.media.video.reader import Reader
from esc_cli.media.video.segments import STEP, write_segment
from esc_cli.tasks.environment import environment_facts
from esc_cli.tasks.models import Models
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.records import RecordShelf
from esc_cli.tasks.upscale.video.fingerprint import wanted_of
from esc_cli.tasks.upscale.video.frames import FrameUpscaler, batch_size
from esc_cli.tasks.upscale.video.groups import Groups
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages
from esc_cli.tasks.upscale.video.plan import VideoJob
from esc_cli.tasks.upscale.video.unfinished import open_unfinished


def make_clip(path: Path, size: tuple[int, int], frames: int) -> None:
    """A picture that pans, with some noise, so that the encoders have work."""
    width, height = size
    random = np.random.default_rng(0)
    large = random.normal(0, 1, (height // 4 + 40, width // 4 + 40))
    scene = np.kron(large, np.ones((4, 4))) * 30 + 120
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "20"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(frames):
            luma = scene[number : number + height, number : number + width]
            luma = luma + random.normal(0, 3, luma.shape)
            frame = av.VideoFrame(width, height, "yuv420p")
            for plane, values in zip(frame.planes, (luma, None, None), strict=True):
                rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
                if values is None:
                    rows[:] = 128
                else:
                    rows[:, :width] = values.clip(16, 235).astype(np.uint8)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class Bench:
    """The stages of one video, alone and together."""

    def __init__(self, job: VideoJob, options: UpscaleOptions, models: Models) -> None:
        self.job, self.options = job, options
        self.upscaler = upscaler = models.upscaler(job.choice)
        self.network = FrameUpscaler(job.facts.format, job.encoding.format, upscaler, lambda: None)
        self.batch = batch_size(upscaler, job.facts.format)
        self.frames = list(Reader(job.source.path, job.facts).frames())
        self.network.run(self.frames[: self.batch])
        self.results: list[RawFrame] = []

    def decode(self) -> None:
        """The decoder alone."""
        for _ in Reader(self.job.source.path, self.job.facts).frames():
            pass

    def enlarge(self) -> None:
        """The network alone, with the conversion of colours before and after it."""
        results = []
        for at in range(0, len(self.frames), self.batch):
            part = self.frames[at : at + self.batch]
            for frame, planes in zip(part, self.network.run(part), strict=True):
                results.append(RawFrame(frame.pts, frame.duration, planes))
        self.results = results

    def encode(self) -> None:
        """The encoder alone."""
        with self._kept() as write:
            write(0, iter(self.results), [0])

    @contextmanager
    def _kept(self) -> Iterator[Any]:
        """What writes a step, as `VideoRun` does; at the end the last groups are encoded."""
        job = self.job
        wanted = wanted_of(job, self.options, status_of(job.source.path), self.upscaler)
        unfinished = open_unfinished(job.output, wanted, discard=True)
        journal = unfinished.journal
        groups, kept = Groups(journal, job.encoding, lambda: None), lossless(job.encoding)

        def write(number: int, frames: Iterator[RawFrame], repeated: list[int]) -> None:
            encoder = SegmentEncoder(kept, journal.settled.threads)
            packets = chain(chain.from_iterable(map(encoder.encode, frames)), encoder.finish())
            state = write_segment(journal.folder, number, encoder.headers, packets, STEP)
            journal.append(state, repeated[0])
            groups.advance()

        try:
            yield write
            groups.finish()
            unfinished.finish()
        finally:
            unfinished.close()

    def together(self) -> float:
        """All at once; returns the share of the time in which the network waited."""
        reader = Reader(self.job.source.path, self.job.facts)
        start = time.perf_counter()
        with self._kept() as write:
            stages = Stages(reader.frames, self.network.run, write)
            stream = FrameStream(stages, self.batch, len(self.frames))
            for _ in stream.run():
                pass
        return 1 - stream.seconds["network"] / (time.perf_counter() - start)


@dataclass(frozen=True)
class Run:
    """One run: frames per second, seconds of processor time per frame, what the work returned."""

    rate: float
    cpu_s: float
    value: object


def measured(frames: int, work) -> Run:
    """Run once."""
    start, start_cpu = time.perf_counter(), time.process_time()
    value = work()
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - start_cpu
    return Run(frames / seconds, cpu_s / frames, value)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="320x180")
    parser.add_argument("--scale", type=float, default=2)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", default=None)
    parser.add_argument("--device", default="auto")
    wish = parser.parse_args()
    width, height = (int(side) for side in wish.size.split("x"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "clip.mkv", (width, height), wish.frames)
        options = UpscaleOptions(
            (str(folder / "clip.mkv"),),
            model=wish.model,
            target=Target(wish.scale),
            engine=EngineOptions(device=wish.device),
        )
        models = Models(options.model, options.engine)
        (job,) = Planner(options, models, RecordShelf()).plan().jobs
        bench = Bench(job, options, models)
        report(bench, wish)


def report(bench: Bench, wish: argparse.Namespace) -> None:
    """Run the stages in turn and print their rates."""
    for name, value in environment_facts().items():
        print(f"{name}: {value}")
    print(f"{wish.size}, scale {wish.scale:g}, {wish.frames} frames, batches of {bench.batch}")
    runs: dict[str, list[Run]] = {}
    for _ in range(wish.repeats):
        for stage in ("decode", "enlarge", "encode", "together"):
            runs.setdefault(stage, []).append(measured(wish.frames, getattr(bench, stage)))
    rates = {stage: median(run.rate for run in done) for stage, done in runs.items()}
    cpu_s = {stage: median(run.cpu_s for run in done) for stage, done in runs.items()}
    for stage, done in runs.items():
        every = ", ".join(f"{run.rate:.2f}" for run in done)
        print(f"{stage:9} {rates[stage]:8.2f} frames/s {cpu_s[stage]:7.4f} s CPU   (runs: {every})")
    slowest = min((stage for stage in runs if stage != "together"), key=rates.__getitem__)
    print(f"together / {slowest} alone: {rates['together'] / rates[slowest]:.3f}")
    print(f"{slowest} alone / together, processor time: {cpu_s[slowest] / cpu_s['together']:.3f}")
    waited = median(run.value for run in runs["together"])
    print(f"the network waited {waited:.1%} of the time")


if __name__ == "__main__":
    main()
