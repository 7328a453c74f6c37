"""Whether FFmpeg failed because no memory is left, of which few of its codecs tell."""

from __future__ import annotations

import numpy as np

from esc_cli.errors import TooLargeError
from esc_cli.media.video.codecs import Encoding

_FRAMES = 64
"""About as many as x264 holds: those that it looks ahead (40), refers to and works on."""


def has_room(count: int) -> bool:
    """Whether so many bytes can be taken now. They are asked for and given back, not written."""
    try:
        np.empty(count, np.uint8)
    except MemoryError:
        return False
    return True


def memory_error(error: Exception, encoding: Encoding) -> TooLargeError | None:
    """What to raise instead of an encoder's `error` if it comes from want of memory, else None.

    Only some say so. x264 and x265 speak of a generic error, libvpx of invalid data, and a thread
    that cannot start is a resource that is not there for now. What one took that did not open is
    free again by then: hence there must be room for all that one holds.
    """
    sizes = encoding.layout.plane_sizes(encoding.width, encoding.height)
    frame = encoding.layout.bytes_per_sample * sum(rows * columns for rows, columns in sizes)
    if not isinstance(error, MemoryError) and has_room(_FRAMES * frame):
        return None
    what = f"not enough memory for {encoding.encoder} at {encoding.width} x {encoding.height}"
    preset = ", or use a faster --preset" if "preset" in dict(encoding.options) else ""
    return TooLargeError(what, advice=f"free memory, make the result smaller{preset}")
