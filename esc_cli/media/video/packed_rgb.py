"""Pictures of few colours, as tapes, screens and games have them, to planes of green, blue, red.

FFmpeg's scaler takes most of them to planes by way of YUV, with errors of up to 15 levels; here
each value is widened by repeating its bits, so that nothing and everything stay 0 and 255.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.video.frames import Plane

if TYPE_CHECKING:
    from av.video.frame import VideoFrame

Field = tuple[int, int]
"""(the lowest bit, how many bits)"""


def _fields(*widths: int) -> tuple[Field, Field, Field]:
    """Red, green, blue from the highest bits down."""
    red, green, blue = widths
    return (green + blue, red), (blue, green), (0, blue)


_RED_FIRST = {
    "rgb565": _fields(5, 6, 5),
    "rgb555": _fields(5, 5, 5),
    "rgb444": _fields(4, 4, 4),
    "rgb8": _fields(3, 3, 2),
    "rgb4_byte": _fields(1, 2, 1),
}
_BLUE_FIRST = {
    "bgr565": _fields(5, 6, 5)[::-1],
    "bgr555": _fields(5, 5, 5)[::-1],
    "bgr444": _fields(4, 4, 4)[::-1],
    "bgr8": _fields(2, 3, 3)[::-1],
    "bgr4_byte": _fields(1, 2, 1)[::-1],
}
_PACKED = _RED_FIRST | _BLUE_FIRST
_PALETTE = "pal8"


def is_packed(name: str) -> bool:
    """Whether a pixel format, by FFmpeg's name, is one of these."""
    return name == _PALETTE or _base(name) in _PACKED


def packed_planes(frame: VideoFrame) -> tuple[Plane, ...]:
    """Green, blue and red of a frame in such a format, (rows, columns) uint8.

    Palettes hold transparency that hardly any video uses; it is left out.
    """
    name = frame.format.name
    planes: Any = frame.planes
    if name == _PALETTE:
        indices = _samples(planes[0], np.dtype(np.uint8), frame)
        colours = np.frombuffer(planes[1], np.dtype("=u4"))[:256]
        return _channels(colours[indices], ((8, 8), (0, 8), (16, 8)))
    depth = {"le": "<u2", "be": ">u2"}.get(name[-2:], "u1")
    red, green, blue = _PACKED[_base(name)]
    return _channels(_samples(planes[0], np.dtype(depth), frame), (green, blue, red))


def _base(name: str) -> str:
    return name.removesuffix("le").removesuffix("be")


def _samples(plane: Any, dtype: Any, frame: VideoFrame) -> NDArray[Any]:
    rows = np.frombuffer(plane, dtype).reshape(-1, plane.line_size // dtype.itemsize)
    return rows[: frame.height, : frame.width].astype(np.uint32)


def _channels(values: NDArray[Any], fields: tuple[Field, Field, Field]) -> tuple[Plane, ...]:
    return tuple(_widened(values >> low & (1 << bits) - 1, bits) for low, bits in fields)


def _widened(values: NDArray[Any], bits: int) -> Plane:
    """Values of 1 to 8 bits as 8 bits, their own repeated behind them."""
    wide: NDArray[np.uint16] = (values << 8 - bits).astype(np.uint16)
    have = bits
    while have < 8:
        wide |= wide >> have
        have *= 2
    return wide.astype(np.uint8)
