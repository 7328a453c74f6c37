"""The chunks of a PNG (PNG specification, third edition, 5.3), and what damage means in each.

What decides the pixels must be whole. Colour and transparency whose checksum is wrong are left
out, as browsers do; texts are kept, and profiles, which have a checksum of their own.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from esc_cli.errors import ReadError
from esc_cli.media.picture import Truncation
from esc_cli.media.profiles import RAW_PREFIX, RawProfiles, inflate, is_whole_text

SIGNATURE = b"\x89PNG\r\n\x1a\n"
XMP_KEYWORD = b"XML:com.adobe.xmp"
# With the bytes that each holds; one of another length is damaged and not copied.
COLOUR_CHUNKS = {b"cICP": 4, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"mDCV": 24, b"cLLI": 8}
_TEXT_CHUNKS = frozenset((b"tEXt", b"zTXt", b"iTXt"))
_DECISIVE = frozenset((b"IHDR", b"PLTE", b"acTL", b"fcTL"))
_OPTIONAL = {
    b"tRNS": "its transparency",
    b"bKGD": "the colour of its background",
    **dict.fromkeys(COLOUR_CHUNKS, "a description of its colours"),
}
_READ = _DECISIVE | _OPTIONAL.keys() | _TEXT_CHUNKS | {b"iCCP", b"eXIf", b"pHYs", b"tIME"}
# The pixels, and what describes how the source stores them, not the picture.
_SILENT = frozenset((b"IDAT", b"fdAT", b"IEND", b"sBIT", b"hIST", b"iDOT"))
_MOST_NAMES = 8


@dataclass
class Chunks:
    """Those of a file that are wanted, the pixels excepted.

    `apart`: the default image is no frame of the animation.
    """

    single: dict[bytes, bytes] = field(default_factory=dict)
    controls: list[bytes] = field(default_factory=list)
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    raw: RawProfiles = field(default_factory=RawProfiles)
    notes: list[str] = field(default_factory=list)
    others: dict[str, None] = field(default_factory=dict)
    xmp: bytes | None = None
    apart: bool = False

    def add(self, kind: bytes, payload: bytes) -> None:
        """Keep a chunk, the first of its kind where there may be one."""
        if kind == b"fcTL":
            self.controls.append(payload)
        elif kind == b"iTXt" and payload.startswith(XMP_KEYWORD + b"\0"):
            self.xmp = self.xmp or _xmp(payload)
        elif kind in _TEXT_CHUNKS:
            self._add_text(kind, payload)
        elif kind != b"acTL" or b"IDAT" not in self.single:
            # acTL behind the image announces nothing (PNG, 11.3.6)
            self.single.setdefault(kind, payload)

    def left_out(self) -> tuple[str, ...]:
        """Notes on what is damaged, and on the chunks that nothing here understands."""
        names = ", ".join([*self.others][:_MOST_NAMES])
        rest = (f"left out: chunks of PNG that are not known here: {names}",) if names else ()
        return (*self.notes, *self.raw.notes, *rest)

    def _add_text(self, kind: bytes, payload: bytes) -> None:
        if payload.startswith(RAW_PREFIX):
            self.raw.add(kind, payload)
        elif is_whole_text(kind, payload):
            self.texts.append((kind, payload))
        else:
            self.notes.append("left out: a text, which is damaged")


def collect(stream: BinaryIO, truncation: Truncation) -> Chunks:
    """The chunks up to IEND. Raises ReadError where one that decides the pixels is damaged."""
    chunks = Chunks()
    for kind, payload, whole in _read_chunks(stream, truncation):
        if not whole and kind in _OPTIONAL:
            chunks.notes.append(f"left out: {_OPTIONAL[kind]}, which is damaged")
            continue
        if not whole and kind in _DECISIVE:
            truncation.found("a checksum of its header is wrong")
        if kind not in _READ and kind not in _SILENT and kind.isalpha():
            chunks.others[kind.decode()] = None
        chunks.apart |= kind == b"IDAT" and not chunks.controls
        chunks.add(kind, payload)
    if len(chunks.single.get(b"IHDR", b"")) != 13:
        raise ReadError("the picture is damaged: it has no header")
    return chunks


def _read_chunks(stream: BinaryIO, truncation: Truncation) -> Iterator[tuple[bytes, bytes, bool]]:
    """(type, payload, whether its checksum fits); what is not wanted is skipped and empty.

    Ends before a chunk that is cut short where `truncation` allows that. Where nothing is missing
    but the end of a still, its rows tell whether it is whole.
    """
    end = stream.seek(0, os.SEEK_END)
    stream.seek(len(SIGNATURE))
    kind, seen = b"", set()
    while True:
        start, before = stream.read(8), kind
        length, kind = struct.unpack(">I4s", start) if len(start) == 8 else (0, b"")
        after = stream.tell() + length + 4
        last = kind in (b"", b"IEND") or stream.tell() == end
        if last and after > end and before == b"IDAT" and b"acTL" not in seen:
            return None
        if not kind or after > end:
            return truncation.found()
        seen.add(kind)
        if kind in _READ:
            payload = stream.read(length)
            yield kind, payload, stream.read(4) == checksum(kind, payload)
        else:
            yield kind, b"", True
        if kind == b"IEND":
            return None
        stream.seek(after)


def walk(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, payload) of all chunks of a file up to IEND, the last one cut where the file ends.

    Damaged transparency is left out here too.
    """
    at, kind = len(SIGNATURE), b""
    while at + 8 <= len(content) and kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", content, at)
        payload = content[at + 8 : at + 8 + length]
        at += 12 + length
        if kind != b"tRNS" or content[at - 4 : at] == checksum(kind, payload):
            yield kind, payload


def made(kind: bytes, payload: bytes | memoryview) -> bytes:
    """A whole chunk."""
    head = struct.pack(">I", len(payload)) + kind
    return b"".join((head, payload, checksum(kind, payload)))


def checksum(kind: bytes, payload: bytes | memoryview) -> bytes:
    """The four bytes behind a chunk."""
    return struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind)))


def _xmp(payload: bytes) -> bytes | None:
    keyword, _, rest = payload.partition(b"\0")
    if keyword != XMP_KEYWORD or len(rest) < 4:
        return None
    text = rest[2:].split(b"\0", 2)[-1]
    return inflate(text) if rest[0] else text
