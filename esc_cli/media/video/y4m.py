"""YUV4MPEG2, the raw video of pipes: a line of text, then frames of planes. Needs no FFmpeg.

Header: "YUV4MPEG2 W640 H360 F25:1 Ip A1:1 C420p10", each frame "FRAME" and its planes. Samples of
more than 8 bits are 16 bits wide, little-endian (as FFmpeg and mpv write and read them).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import RawIOBase
from typing import BinaryIO

import numpy as np

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError, WriteError
from esc_cli.media.video.colour_tags import FULL_RANGE, LIMITED_RANGE, ColourTags, range_of
from esc_cli.media.video.frames import Plane
from esc_cli.media.video.info import FrameFormat
from esc_cli.media.video.pixel_formats import Layout, planar

_MAGIC = b"YUV4MPEG2 "
_LINE_BYTES = 4096
_COLOUR = re.compile(r"(420|422|444|mono)(?:jpeg|paldv|mpeg2)?(?:p?(9|10|12|14|16))?\Z")
_RANGES = {"XCOLORRANGE=FULL": FULL_RANGE, "XCOLORRANGE=LIMITED": LIMITED_RANGE}


@dataclass(frozen=True)
class Y4MHeader:
    """The parameters of a stream: their letters with their values, in order."""

    parameters: tuple[str, ...]
    format: FrameFormat

    def enlarged(self, width: int, height: int) -> Y4MHeader:
        """The same with another size."""
        sizes = {"W": f"W{width}", "H": f"H{height}"}
        parameters = tuple(sizes.get(text[0], text) for text in self.parameters)
        own = self.format
        return Y4MHeader(parameters, FrameFormat(own.layout, width, height, own.tags))

    def to_line(self) -> bytes:
        """The line, with its end."""
        return _MAGIC + " ".join(self.parameters).encode("ascii") + b"\n"


def read_header(stream: BinaryIO | RawIOBase, max_pixels: int) -> Y4MHeader:
    """The header of a stream.

    Raises ReadError for what is no YUV4MPEG2, UnsupportedError for interlaced streams and unknown
    colour spaces, TooLargeError over `max_pixels`.
    """
    line = stream.readline(_LINE_BYTES)
    if not line.startswith(_MAGIC) or not line.endswith(b"\n"):
        raise ReadError("stdin is no YUV4MPEG2 stream", advice="ffmpeg ... -f yuv4mpegpipe -")
    parameters = tuple(line[len(_MAGIC) :].decode("ascii", "replace").split())
    values = {text[0]: text[1:] for text in parameters if text[0] != "X"}
    try:
        width, height = int(values["W"]), int(values["H"])
    except (KeyError, ValueError) as error:
        raise ReadError("the header of the YUV4MPEG2 stream states no size") from error
    if min(width, height) < 1:
        raise ReadError("the header of the YUV4MPEG2 stream states no size")
    if width * height > max_pixels:
        what = f"{width} x {height} is more than the limit of {max_pixels:,} pixels"
        raise TooLargeError(what, advice="raise it with --max-pixels")
    if values.get("I", "p") not in ("p", "?"):
        raise UnsupportedError("the video is interlaced", advice="deinterlace it first")
    layout = _layout(values.get("C", "420"))
    stated = next((number for name, number in _RANGES.items() if name in parameters), 0)
    tags = ColourTags(full_range=range_of(stated, layout.kind))
    return Y4MHeader(parameters, FrameFormat(layout, width, height, tags))


def _layout(name: str) -> Layout:
    match = _COLOUR.match(name)
    if match is None:
        raise UnsupportedError(f"the colour space {name} of the YUV4MPEG2 stream is not supported")
    base = "gray" if match[1] == "mono" else f"yuv{match[1]}p"
    return planar(base if match[2] in (None, "8") else f"{base}{match[2]}le")


def read_frames(stream: BinaryIO | RawIOBase, header: Y4MHeader) -> Iterator[tuple[Plane, ...]]:
    """The planes of each frame. Raises ReadError, naming the frame, where the stream is cut."""
    form, number = header.format, 0
    dtype = np.dtype("<u2") if form.layout.bytes_per_sample == 2 else np.dtype("u1")
    shapes = form.layout.plane_sizes(form.width, form.height)
    while line := stream.readline(_LINE_BYTES):
        if not line.startswith(b"FRAME") or not line.endswith(b"\n"):
            raise ReadError(f"the YUV4MPEG2 stream is damaged at frame {number}")
        planes = []
        for shape in shapes:
            content = _exactly(stream, shape[0] * shape[1] * dtype.itemsize, number)
            planes.append(np.frombuffer(content, dtype).reshape(shape))
        yield tuple(planes)
        number += 1


def _exactly(stream: BinaryIO | RawIOBase, count: int, number: int) -> bytes:
    """So many bytes, however small the pieces in which a pipe hands them over."""
    pieces = bytearray()
    while len(pieces) < count:
        piece = stream.read(count - len(pieces))
        if not piece:
            raise ReadError(f"the YUV4MPEG2 stream is cut short in frame {number}")
        pieces += piece
    return bytes(pieces)


def write_frame(stream: BinaryIO, planes: tuple[Plane, ...]) -> None:
    """One frame. Raises WriteError; a reader that has left is a BrokenPipeError."""
    try:
        stream.write(b"FRAME\n")
        stream.writelines(np.ascontiguousarray(plane).tobytes() for plane in planes)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise WriteError(f"stdout cannot be written: {error.strerror}") from error
