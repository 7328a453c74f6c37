"""One long film over many GPUs: a simulation, by what each stage takes of a frame on this machine.

Measured on a small clip, in seconds of the processor, and multiplied by the pixels. A worker has a
core for its decoder and one for its encoder, who joins has `CORES` for the encoder. The network is
so many times as quick as here, a number that is assumed. A worker decodes the film up to the
segment that it is given, once.
"""

from __future__ import annotations

import heapq
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
from contents import film

from esc_cli.media.video.codecs import GROUPING, Encoding
from esc_cli.media.video.encoder import SegmentEncoder
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.lossless import lossless
from esc_cli.media.video.reader import Reader
from esc_cli.media.video.segments import write_segment
from esc_cli.tasks.upscale.options import UpscaleOptions, VideoOptions
from esc_cli.tasks.upscale.plan import Planner
from esc_cli.tasks.upscale.run import Session
from esc_cli.tasks.upscale.video.frames import FrameUpscaler, batch_size
from esc_cli.tasks.upscale.video.plan import VideoJob

SIZE, GROWTH, FRAMES, RATE = (480, 270), 16, 24, 24
ENLARGED = 8
"""Frames that go through the network; the encoders are given them over and over."""
SEGMENT = 28
"""Frames of a segment of 3840 x 2160, what a film of 1920 x 1080 becomes, as esc has them."""
CORES = 8
SPEEDUPS = (10, 100, 1000)
CODECS = ("prores", "h264")


@dataclass(frozen=True)
class Stages:
    """Seconds of a frame: decoded, enlarged, encoded by a worker; encoded at the end by one."""

    decode: float
    network: float
    encode: float
    end: float


def clip(path: Path) -> Path:
    """Drawn film in H.264."""
    with av.open(os.fspath(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(RATE), options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for pixels in film(SIZE, FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(stream.encode(None))
    return path


def processor_s(work: Callable[[], int]) -> float:
    """Seconds of the processor for each of the frames that some work returns the number of."""
    start = time.process_time()
    count = work()
    return (time.process_time() - start) * GROWTH / count


def measured(path: Path, codec: str) -> Stages:
    """What each stage takes of a frame."""
    video = VideoOptions(codec=codec)
    options = UpscaleOptions((os.fspath(path),), model="esc-tiny", video=video)
    session = Session.of(options)
    (job,) = Planner(options, session.models, session.shelf).plan().jobs
    if not isinstance(job, VideoJob) or job.choice is None:
        raise SystemExit("the clip is no video to enlarge")
    decode = processor_s(lambda: sum(1 for _ in Reader(path, job.facts).frames()))
    upscaler = session.models.upscaler(job.choice)
    network = FrameUpscaler(job.facts.format, job.encoding.format, upscaler, lambda: None)
    frames = list(Reader(path, job.facts).frames())[:ENLARGED]
    batch, done = batch_size(upscaler, job.facts.format), []

    def enlarge() -> int:
        for at in range(0, len(frames), batch):
            part = frames[at : at + batch]
            for frame, planes in zip(part, network.run(part), strict=True):
                done.append(RawFrame(frame.pts, frame.duration, planes))
        return len(done)

    enlarged = processor_s(enlarge)
    again = [RawFrame(number, 1, done[number % ENLARGED].planes) for number in range(FRAMES)]
    kept = lossless(job.encoding) if job.encoding.encoder in GROUPING else job.encoding
    encode = processor_s(lambda: _encoded(path.parent, kept, again))
    is_last = job.encoding.encoder in GROUPING
    end = processor_s(lambda: _encoded(path.parent, job.encoding, again)) if is_last else 0.0
    return Stages(decode, enlarged, encode, end)


def _encoded(folder: Path, encoding: Encoding, frames: list[RawFrame]) -> int:
    encoder = SegmentEncoder(encoding, 1)
    write_segment(folder, 0, encoder.headers, _packets(encoder, frames))
    return len(frames)


def _packets(encoder: SegmentEncoder, frames: Iterable[RawFrame]) -> Iterator[object]:
    for frame in frames:
        yield from encoder.encode(frame)
    yield from encoder.finish()


def simulated(stages: Stages, gpus: int, frames: int, speedup: float) -> tuple[float, float]:
    """(seconds until all segments are there, seconds until they are encoded)."""
    each = SEGMENT * max(stages.decode, stages.network / speedup, stages.encode)
    workers = [(0.0, number, 0) for number in range(gpus)]  # idle when, which, decoded up to
    last = encoded = 0.0
    for segment in range(-(-frames // SEGMENT)):
        idle, number, position = heapq.heappop(workers)
        done = idle + (segment - position) * SEGMENT * stages.decode + each
        heapq.heappush(workers, (done, number, segment + 1))
        last = max(last, done)
    if stages.end:
        encoded = frames * stages.end / CORES
    return last, last + encoded


def measure(gpus: int, hours: float) -> None:
    """Print what was measured, and a table."""
    frames = round(hours * 3600 * RATE)
    with tempfile.TemporaryDirectory() as name:
        path = clip(Path(name) / "clip.mkv")
        found = {codec: measured(path, codec) for codec in CODECS}
    print("\n| codec | decoder | network | encoder of a worker | encoder at the end |")
    print("|---|---|---|---|---|")
    for codec, one in found.items():
        own = " | ".join(f"{s:.3f}" for s in (one.decode, one.network, one.encode, one.end))
        print(f"| {codec} | {own} |")
    print(f"\n{hours:g} hours, {frames:,} frames in {-(-frames // SEGMENT):,} segments\n")
    print("| codec | network, times as here | GPUs | all segments, h | encoded, h |")
    print("|---|---|---|---|---|")
    for codec in CODECS:
        for speedup in SPEEDUPS:
            for count in (1, gpus):
                done = simulated(found[codec], count, frames, speedup)
                print(f"| {codec} | {speedup:,} | {count} | {done[0] / 3600:.1f} | ", end="")
                print(f"{done[1] / 3600:.1f} |")
