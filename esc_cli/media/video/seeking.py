"""Whether a video can be read from somewhere in its middle, found by trying."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

from esc_cli.media.video.probe import main_stream
from esc_cli.media.video.source import is_ffmpeg_error, open_video, sought, without_guesses


def starts_at(path: Path, base: Fraction, time_s: float) -> bool:
    """Whether a demuxer that is sent to a time gets to a whole frame at or before it.

    Streams without an index are only searched for a time, and begin with a later key frame; some
    old kinds lose their way. They are read from the start instead. base: seconds per unit of the
    frames. Raises the errors of `open_video`.
    """
    with open_video(path) as container:
        if not sought(container, time_s):
            return False
        stream = main_stream(container)
        without_guesses(container)
        try:
            for packet in container.demux(stream):
                for frame in stream.decode(packet):
                    time = frame.pts if frame.pts is not None else frame.dts
                    return time is not None and float(time * base) <= time_s + 1e-9
        except Exception as error:
            if not is_ffmpeg_error(error):
                raise
    return False
