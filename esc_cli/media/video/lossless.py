"""Frames kept on disk as they are, until an encoder can take them in groups of its own choice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.video.codecs import GROUPING, Encoding
from esc_cli.media.video.frames import RawFrame
from esc_cli.media.video.reader import planes_of
from esc_cli.media.video.segments import read_segment
from esc_cli.media.video.source import decoding, load_av

_CODECS = ("ffvhuff", "ffv1")
"""Without a loss, key frames alone; the quick one first, which lacks grey of 10 and 12 bits."""


def lossless(encoding: Encoding) -> Encoding:
    """How the frames of an encoding are kept. Raises UnsupportedError where no codec has them."""
    av = load_av()
    for name in _CODECS:
        formats = av.codec.Codec(name, "w").video_formats or []
        if encoding.layout.name in [form.name for form in formats]:
            layout = replace(encoding.layout, packed="")
            return replace(encoding, encoder=name, options=(), container="matroska", layout=layout)
    raise UnsupportedError(f"frames in {encoding.layout.name} cannot be kept on the way")


def bytes_on_the_way(encoding: Encoding, frames: int) -> int:
    """About what so many frames take until they are encoded; 0 where segments are final."""
    if encoding.encoder not in GROUPING:
        return 0
    layout = encoding.layout
    samples = sum(h * w for h, w in layout.plane_sizes(encoding.width, encoding.height))
    return frames * samples * layout.bytes_per_sample // 2


def read_frames(path: Path, encoding: Encoding) -> Iterator[RawFrame]:
    """The frames of a file that was written as `lossless` says. Raises ReadError."""
    headers, packets = read_segment(path)
    av = load_av()
    decoder: Any = av.CodecContext.create(encoding.encoder, "r")
    decoder.width, decoder.height = encoding.width, encoding.height
    decoder.pix_fmt, decoder.extradata = encoding.layout.name, headers
    decoder.thread_type = "SLICE"  # whole frames at once would come later than their packets
    for stored in packets:
        with decoding(path, "a finished part cannot be decoded"):
            frames = decoder.decode(av.Packet(stored.payload))
        if len(frames) != 1:
            raise ReadError("a finished part cannot be decoded", path)
        yield RawFrame(stored.pts, stored.duration, planes_of(frames[0], encoding.layout))
