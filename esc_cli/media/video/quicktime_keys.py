"""Tags of any name in MP4 and QuickTime: a box of keys beside the tags that FFmpeg's muxer writes.

The muxer writes either the tags that players know, with covers, or a list of keys. Apple's files
have both: the latter in a box `meta` of the box `moov` (QuickTime File Format, "Metadata").
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from esc_cli.errors import WriteError
from esc_cli.media.heif_boxes import box

_UTF8 = 1  # the type of a value


def keys_box(tags: Iterable[tuple[str, str]], *, is_mp4: bool) -> bytes:
    """The box `meta` for tags. In MP4 it states a version (ISO/IEC 14496-12, 8.11.1)."""
    names, values = [], []
    for number, (key, value) in enumerate(tags, start=1):
        name, text = (part.encode("utf-8", "surrogateescape") for part in (key, value))
        names.append(box(b"mdta", name))
        data = box(b"data", struct.pack(">II", _UTF8, 0), text)
        values.append(box(struct.pack(">I", number), data))
    handler = box(b"hdlr", bytes(8), b"mdta", bytes(13))
    keys = box(b"keys", bytes(4), struct.pack(">I", len(names)), *names)
    return box(b"meta", bytes(4) if is_mp4 else b"", handler, keys, box(b"ilst", *values))


def add_keys(file: BinaryIO, tags: Iterable[tuple[str, str]], *, is_mp4: bool) -> None:
    """Add a box of keys to a whole file whose last box is `moov`, open for reading and writing.

    Raises WriteError where another box is the last.
    """
    at, name, size = _last_box(file)
    if name != b"moov":
        raise WriteError("MP4's muxer wrote its index elsewhere than esc knows")
    box = keys_box(tags, is_mp4=is_mp4)
    file.seek(at)
    file.write(struct.pack(">I", size + len(box)))
    file.seek(0, 2)
    file.write(box)


def _last_box(file: BinaryIO) -> tuple[int, bytes, int]:
    """(where the last box begins, its name, its size)."""
    end = file.seek(0, 2)
    at, found = 0, (0, b"", 0)
    while at < end:
        file.seek(at)
        size, name = struct.unpack(">I4s", file.read(8))
        length = struct.unpack(">Q", file.read(8))[0] if size == 1 else size or end - at
        found = at, name, size
        at += max(8, length)
    return found
