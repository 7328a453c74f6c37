"""`esc upscale - --input-format y4m`: raw video from stdin to stdout."""

from __future__ import annotations

from collections.abc import Iterator
from io import RawIOBase
from typing import BinaryIO

from esc_cli.errors import ReadError
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.y4m import read_frames, read_header, write_frame
from esc_cli.tasks.models import Models
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.options import UpscaleOptions
from esc_cli.tasks.upscale.video.frames import FrameUpscaler, batch_size
from esc_cli.tasks.upscale.video.pipeline import FrameStream, Stages
from esc_cli.tasks.upscale.video.plan import scale_alone
from esc_cli.tasks.upscale.video.segment_length import segment_frames


def upscale_y4m(source: BinaryIO | RawIOBase, target: BinaryIO, options: UpscaleOptions) -> None:
    """A YUV4MPEG2 stream to another, frame by frame, with the same bits and colour space.

    Raises the errors of reading and of the engine, WriteError, and BrokenPipeError when the
    reader has left.
    """
    header = read_header(source, options.max_pixels)
    models = Models(options.model, options.engine, denoise=options.denoise)
    own = header.format
    size = options.target.size(own.width, own.height, scale_alone(options, models))
    factor = max(size[0] / own.width, size[1] / own.height)
    upscaler = models.upscaler(models.choose(factor)) if factor > 1 else None
    result = header.enlarged(*size)
    network = FrameUpscaler(own, result.format, upscaler, Stop().check)

    def frames() -> Iterator[RawFrame]:
        for number, planes in enumerate(read_frames(source, header)):
            yield RawFrame(number, 1, planes)

    def write(_number: int, done: Iterator[RawFrame], _repeated: list[int]) -> None:
        for frame in done:
            write_frame(target, frame.planes)

    target.write(result.to_line())
    stream = FrameStream(
        Stages(frames, network.run, write),
        batch_size(upscaler, own),
        segment_frames(result.format, options.video.segment_frames),
        join_s=0.5,
    )
    for _ in stream.run():
        pass
    if not stream.done:
        raise ReadError("the YUV4MPEG2 stream holds no frame")
