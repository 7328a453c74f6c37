"""PCX: its palette of 256 colours stands behind the pixels and is the first to be cut off."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

from esc_cli.errors import UnsupportedError
from esc_cli.media.picture import Truncation

_HEAD_BYTES = 128
_PALETTE_BYTES = 769
_WITH_PALETTE = 5
"""The version from which on one plane of 8 bits has a palette (ZSoft's technical reference)."""
_GREY = 2
_DEPTHS, _MOST_PLANES = (1, 2, 4, 8), 4
_READ = frozenset(((1, 1), (1, 2), (1, 4), (8, 1), (8, 3)))
"""(bits, planes) that Pillow reads."""
_VERSION, _BITS, _PLANES, _PALETTE_KIND = 1, 3, 65, 68  # offsets in the header


def whole(stream: BinaryIO, truncation: Truncation) -> BinaryIO:
    """The file, at its beginning; `truncation` is told of a palette that is not there.

    Without one Pillow takes indices for levels of grey. Raises UnsupportedError for a layout of
    bits and planes that it does not know.
    """
    content = stream.read()
    head = content[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0")
    layout = head[_BITS], head[_PLANES]
    if layout[0] in _DEPTHS and 0 < layout[1] <= _MOST_PLANES and layout not in _READ:
        what = f"PCX of {layout[1]} x {layout[0]} bits per pixel"
        raise UnsupportedError(f"{what} is not supported", advice="save it as PNG")
    indexed = (head[_VERSION], head[_BITS], head[_PLANES]) == (_WITH_PALETTE, 8, 1)
    has_palette = len(content) >= _HEAD_BYTES + _PALETTE_BYTES and content[-_PALETTE_BYTES] == 12
    if indexed and not has_palette and head[_PALETTE_KIND] != _GREY:
        truncation.found("the file is cut short: its palette is missing")
    stream.seek(0, os.SEEK_SET)
    return io.BytesIO(content)  # Pillow looks 769 bytes before the end, wherever that is
