"""How much memory one input may take (--max-memory), and about how much it will.

Nothing is decoded for the estimate: the header tells the size of the pixels, and the options that
of the result. The decoder itself is held to the same limit while it works (`media/confined.py`).
What the network works on is decided by the engine, which makes tiles smaller.
"""

from __future__ import annotations

from functools import lru_cache

from esc_cli.engine import host_memory
from esc_cli.errors import TooLargeError
from esc_cli.media.confined import Bounds
from esc_cli.media.picture import Header
from esc_cli.tasks.upscale.options import UpscaleOptions

SHARE = 0.5
"""Of the memory, for one input: the next is decoded, and results are encoded, at the same time."""

FLOAT_BYTES = {1: 28, 2: 36, 3: 46, 4: 54}
"""Of a pixel of the result while a frame is enlarged in floats, by channels: an upper bound of what
tests/tasks/upscale/test_memory_limit.py measures."""


@lru_cache(maxsize=1)
def default_limit() -> int:
    """Bytes that one input may take where the user does not say: a share of the whole memory."""
    return int(SHARE * host_memory.total_bytes())


def picture_bytes(header: Header, size: tuple[int, int], files: int) -> int:
    """About the memory that a picture takes from its file to its result, in bytes.

    size: the result's (width, height). files: bytes of the file and of the result's, both whole in
    memory. All frames are there decoded and enlarged, one of them in floats as well, or as a copy
    for the encoder where the network's result is taken as it is.
    """
    before, after = header.width * header.height, size[0] * size[1]
    sample = header.channels * header.bits // 8
    at_work = sample if _is_exact(header, size) else FLOAT_BYTES[header.channels]
    return files + header.frames * (before + after) * sample + after * at_work


def _is_exact(header: Header, size: tuple[int, int]) -> bool:
    """Whether a network gives the result in integers: opaque colours at a whole scale."""
    scale = size[0] // header.width
    whole = (header.width * scale, header.height * scale) == size
    return header.channels == 3 and header.bits != 32 and scale > 1 and whole


def bounds(options: UpscaleOptions) -> Bounds:
    """What the file of one picture may ask of its decoder."""
    most = default_limit() if options.max_memory is None else options.max_memory
    return Bounds(options.max_pixels, options.video.allow_truncated, most)


def check_memory(needed: int, limit: int | None) -> None:
    """Raise TooLargeError when an input takes more than the limit, None for the default."""
    most = default_limit() if limit is None else limit
    if needed > most:
        what = f"would take about {_shown(needed)} of memory, more than the limit of {_shown(most)}"
        raise TooLargeError(what, advice="raise it with --max-memory, or make the result smaller")


def _shown(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 / 10 else f"{count / 2**20:.1f} MiB"
