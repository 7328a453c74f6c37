"""JPEG streams (ITU-T T.81, annex B): what browsers forgive is mended, what is missing is found.

libjpeg fills what is missing with grey and counts a warning, which Pillow does not hand on.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from esc_cli.errors import UnsupportedError

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_APP0, _SOS = 0xE0, 0xDA
_JFIF_BYTES = 14
_BESIDE = frozenset((*range(0xE0, 0xF0), 0xFE))  # applications and comments: not the picture
_MARKER = re.compile(rb"\xff([\x01-\xfe])")
_SCAN_END = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SEQUENTIAL = frozenset((0xC0, 0xC1))
_PROGRESSIVE = 0xC2
_HUFFMAN = frozenset((0xC0, 0xC1, 0xC2))
_UNREAD = {  # that no decoder here knows, by their SOF marker (ITU-T T.81, table B.1)
    **dict.fromkeys((0xC3, 0xCB), "lossless"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF), "hierarchical"),
}
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# Bits of every kind, none of them a marker, that no complete scan reads.
_FILLER = bytes((37 * number * number + 91 * number + 13) % 251 for number in range(256))
_ZEROS = bytes(64)  # behind a scan without end: a download that was never finished
_NEAR_GREY = 8
_FILL_BYTES = b"\0\xff \r\n"
_LEAST_BEHIND = 16  # bytes; fewer are a marker too many, or a checksum


@dataclass(frozen=True)
class Stream:
    """The first picture of a file in parts: headers, and the data of scans (`scans` are indices).

    `process` is the SOF marker, 0 without one; `ended` whether an EOI marker stood there.
    """

    parts: tuple[bytes, ...]
    scans: frozenset[int]
    process: int
    ended: bool
    broken_off: bool = False  # inside a segment of headers
    behind: int = 0  # bytes after the EOI marker, if not all of them are filler

    @property
    def content(self) -> bytes:
        """A whole file that every decoder reads."""
        return b"".join((_SOI, *self.parts, _EOI))

    @property
    def padded(self) -> bytes:
        """The same with further data behind each stretch of a scan."""
        parts = [
            _RESTART.sub(lambda found: _FILLER + found[0], part) + _FILLER
            if number in self.scans
            else part
            for number, part in enumerate(self.parts)
        ]
        return b"".join((_SOI, *parts, _EOI))


def check_process(stream: BinaryIO) -> None:
    """Raise UnsupportedError for the processes and depths that no decoder here knows."""
    # Pillow calls a JPEG of 12 bits unidentified; its precision stands first in the SOF segment.
    stream.seek(2)
    while (start := stream.read(4))[:1] == b"\xff" and len(start) == 4:
        if 0xC0 <= start[1] <= 0xCF and start[1] not in (0xC4, 0xC8, 0xCC):
            bits = stream.read(1)
            if start[1] in _UNREAD:
                raise UnsupportedError(f"{_UNREAD[start[1]]} JPEG is not supported")
            if bits not in (b"\x08", b""):
                raise UnsupportedError(f"JPEG with {bits[0]} bits per channel is not supported")
            break
        if start[1] in (0xDA, 0xFF):  # the scan, or fill bytes
            break
        stream.seek(int.from_bytes(start[2:], "big") - 2, io.SEEK_CUR)
    stream.seek(0)


def split(content: bytes, tables: bytes = b"") -> Stream:
    """The parts up to the EOI marker or the end of the file, behind those of `tables`.

    Bytes between segments and a JFIF segment that is too short are left out, as browsers do.
    """
    parts: list[bytes] = list(split(tables).parts) if tables else []
    scans: set[int] = set()
    process, at = 0, len(_SOI)
    while (found := _MARKER.search(content, at)) and found[0] != _EOI:
        marker, at = found[1][0], found.end()
        if marker == 1 or 0xD0 <= marker <= 0xD8:  # no segments
            continue
        end = at + int.from_bytes(content[at : at + 2], "big")
        if end < at + 2 <= len(content) and marker in _BESIDE:
            at += 2  # a length less than its own two bytes, which decoders step over
            continue
        if not at + 2 <= end <= len(content):
            return Stream(tuple(parts), frozenset(scans), process, ended=False, broken_off=True)
        if marker in _FRAMES:
            process = process or marker
        if marker != _APP0 or not _is_short_jfif(content[at + 2 : end]):
            parts.append(content[found.start() : end])
        at = end
        if marker == _SOS:
            stop = _SCAN_END.search(content, at)
            scan = content[at : stop.start() if stop else len(content)]
            at += len(scan)
            scans.add(len(parts))
            parts.append(scan if stop else scan.rstrip(b"\xff"))
    rest = content[found.end() :] if found else b""
    behind = len(rest) if len(rest.strip(_FILL_BYTES)) > _LEAST_BEHIND else 0
    ended = found is not None
    return Stream(tuple(parts), frozenset(scans), process, ended, behind=behind)


def _is_short_jfif(payload: bytes) -> bool:
    return payload.startswith(b"JFIF") and len(payload) < _JFIF_BYTES


def is_complete(stream: Stream, image: Image.Image | None = None) -> bool:
    """Whether the scans hold every block; `image` is what `stream.content` decoded to.

    Whoever needs more data than there is reads on into what stands behind, and decodes something
    else then. Arithmetic coding reads ahead by design, so that only a missing end can be told.
    """
    if not stream.ended and any(part.endswith(_ZEROS) for part in stream.parts[-1:]):
        return False
    if not stream.scans or stream.broken_off:
        return False
    if stream.process not in _HUFFMAN:
        return stream.ended
    if stream.process == _PROGRESSIVE and not _is_refined(stream):
        return False
    image = image or Image.open(io.BytesIO(stream.content), formats=("JPEG",))
    if stream.process in _SEQUENTIAL and len(stream.scans) == 1 and not _ends_grey(image):
        return True
    with Image.open(io.BytesIO(stream.padded), formats=("JPEG",)) as other:
        return bool(np.array_equal(np.asarray(image), np.asarray(other)))


def _is_refined(stream: Stream) -> bool:
    """Whether the scans of a progressive picture bring all bits of its first component."""
    headers = [stream.parts[number - 1][4:] for number in stream.scans]
    first = min(header[1] for header in headers)
    seen: set[int] = set()
    for header in headers:
        count = header[0]
        start, end, shift = header[1 + 2 * count : 4 + 2 * count]
        if first in header[1 : 1 + 2 * count : 2] and not shift & 15:
            seen.update(range(start, end + 1))
    return seen.issuperset(range(64))


def _ends_grey(image: Image.Image) -> bool:
    """Whether the last pixel may be one of a block that is missing, which has the middle level."""
    corner = image.crop((image.width - 1, image.height - 1, image.width, image.height))
    return (
        image.mode == "CMYK" or abs(int(np.asarray(corner.convert("L"))[0, 0]) - 128) < _NEAR_GREY
    )
