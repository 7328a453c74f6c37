"""Pixels through a lossy video codec and back, in memory: what films do to a frame."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from esc_cli.errors import UsageError
from esc_cli.media.recompress import Pixels
from esc_cli.media.video.source import load_av

_RATE = 25


def through_h264(frames: Sequence[Pixels], crf: int) -> Pixels:
    """The last of `frames`, (H, W, 3) uint8 of one size, after x264 at a crf of 0 to 51, 4:2:0.

    The first is coded by itself, each other one by its difference from those before. The preset is
    veryfast with one thread, whose result is the same on every machine with the same x264. Raises
    MissingExtraError without PyAV, UsageError without frames.
    """
    if not frames:
        raise UsageError("there is no frame to encode")
    av = load_av()
    height, width = frames[0].shape[:2]
    # 4:2:0 has whole chroma samples only.
    padding = ((0, height % 2), (0, width % 2), (0, 0))
    padded = [np.pad(frame, padding, mode="edge") for frame in frames]
    encoder = av.CodecContext.create("libx264", "w")
    encoder.height, encoder.width = padded[0].shape[:2]
    encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, _RATE)
    encoder.thread_count = 1
    encoder.options = {"crf": str(crf), "preset": "veryfast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    decoder.thread_count = 1
    packets = []
    for index, pixels in enumerate(padded):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        frame.pts = index
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    decoded = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    last: Pixels = decoded[-1].to_ndarray(format="rgb24")
    return last[:height, :width]
