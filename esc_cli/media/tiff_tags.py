"""Directories of the TIFF structure (TIFF 6.0, section 2), which EXIF blocks use too.

Values stay raw bytes in the file's own byte order, so that nothing is lost by passing through.
BigTIFF is read here as well; what is written is classic TIFF.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal

from esc_cli.errors import ReadError, UnsupportedError

ORIENTATION = 274
EXIF_IFD = 34665
GPS_IFD = 34853
INTEROP_IFD = 40965
POINTERS = frozenset((EXIF_IFD, GPS_IFD, INTEROP_IFD))
SHORT, LONG = 3, 4
MOST_DIRECTORIES = 65536

# Bytes per value by type: BYTE ASCII SHORT LONG RATIONAL SBYTE UNDEFINED SSHORT SLONG SRATIONAL
# FLOAT DOUBLE IFD; of BigTIFF also LONG8 SLONG8 IFD8.
_WIDTHS = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_BIG_WIDTHS = _WIDTHS | {16: 8, 17: 8, 18: 8}

# The types whose values are whole numbers, and how each is read.
_INTEGERS = {1: 1, 3: 3, 4: 4, 7: 1, 13: 13}


@dataclass(frozen=True)
class Entry:
    """One tag: its `kind` is the TIFF type, `value` raw bytes, `at` where the 12 bytes stood.

    A tag that points to a directory carries that directory in `children`.
    """

    tag: int
    kind: int
    count: int
    value: bytes
    at: int = 0
    children: tuple[Entry, ...] = ()


def byte_order(block: bytes) -> Literal["<", ">"]:
    """Little (<) or big (>) for struct; ValueError when the block is no TIFF structure."""
    if block[:4] in (b"II*\0", b"II+\0"):
        return "<"
    if block[:4] in (b"MM\0*", b"MM\0+"):
        return ">"
    raise ValueError("no TIFF structure")


def first_directory(block: bytes) -> int:
    """The offset of the first directory; struct.error when the block is too short."""
    return int(struct.unpack_from(f"{byte_order(block)}I", block, 4)[0])


def check_chain(stream: BinaryIO) -> None:
    """Follow the directories of a TIFF or BigTIFF file by their links alone.

    Raises ReadError when they lead back to one of them, UnsupportedError when there are more than
    `MOST_DIRECTORIES`. A link to outside the file ends the chain.
    """
    stream.seek(0)
    head = stream.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    link, count_of, width = ("Q", "Q", 20) if big else ("I", "H", 12)
    offset = _number(head[8:] if big else head[4:], order + link)
    seen: set[int] = set()
    while offset:
        if offset in seen:
            raise ReadError("the picture is damaged: its directories lead back to themselves")
        if len(seen) == MOST_DIRECTORIES:
            raise UnsupportedError(f"a TIFF of more than {MOST_DIRECTORIES:,} pages")
        seen.add(offset)
        stream.seek(offset)
        count = _number(stream.read(8), order + count_of)
        stream.seek(offset + struct.calcsize(count_of) + width * min(count, 2**32))
        offset = _number(stream.read(8), order + link)


def _number(block: bytes, layout: str) -> int:
    """The number at the start of the block, 0 where it ends too early."""
    whole = len(block) >= struct.calcsize(layout)
    number = int(struct.unpack_from(layout, block)[0]) if whole else 0
    return number if number < 2**62 else 0  # what no file reaches, and what seek refuses


@dataclass(frozen=True)
class _Layout:
    """How a directory is laid out: its count, its entries' head, and its offsets, for struct."""

    count: str
    head: str
    link: str
    widths: Mapping[int, int]

    @property
    def entry_bytes(self) -> int:
        return struct.calcsize(f"={self.head}{self.link}")


_CLASSIC = _Layout("H", "HHI", "I", _WIDTHS)
_BIG = _Layout("Q", "HHQ", "Q", _BIG_WIDTHS)


def _layout(block: bytes) -> _Layout:
    return _BIG if block[2:4] in (b"+\0", b"\0+") else _CLASSIC


def read_directory(block: bytes, offset: int, depth: int = 2) -> tuple[tuple[Entry, ...], int]:
    """The entries at `offset` and the offset of the next directory, 0 at the end of the chain.

    Entries that point outside the block are left out, as are directories that lie outside it, a
    second directory of the same tag, and values that together would hold more than the block.
    Directories inside are followed `depth` times, which also ends a chain that bites its tail.
    """
    order, layout = byte_order(block), _layout(block)
    first = offset + struct.calcsize(f"={layout.count}")
    if not 8 <= offset <= len(block) or first > len(block):
        return (), 0
    (count,) = struct.unpack_from(order + layout.count, block, offset)
    end = first + layout.entry_bytes * count
    if end > len(block):
        return (), 0
    found: list[Entry] = []
    followed: set[int] = set()
    left = len(block)
    for at in range(first, end, layout.entry_bytes):
        entry = (
            None if _tag_at(block, order, at) in followed else _read_entry(block, order, at, depth)
        )
        if entry is not None and len(entry.value) <= left:
            found.append(entry)
            left -= len(entry.value)
        followed |= {_tag_at(block, order, at)} & POINTERS
    return tuple(found), _number(block[end : end + 8], order + layout.link)


def _tag_at(block: bytes, order: str, at: int) -> int:
    return int(struct.unpack_from(f"{order}H", block, at)[0])


def _read_entry(block: bytes, order: str, at: int, depth: int) -> Entry | None:
    layout = _layout(block)
    tag, kind, count = struct.unpack_from(order + layout.head, block, at)
    size = layout.widths.get(kind, 0) * count
    start = at + struct.calcsize(f"={layout.head}")
    if size > struct.calcsize(f"={layout.link}"):
        (start,) = struct.unpack_from(order + layout.link, block, start)
    if size == 0 or start + size > len(block):
        return None
    stored = Entry(tag, kind, count, bytes(block[start : start + size]), at)
    entry = stored if kind in _WIDTHS else _classic(stored, order)
    if entry is None or tag not in POINTERS:
        return entry
    inner = number(entry, order)
    children = read_directory(block, inner, depth - 1)[0] if depth and inner is not None else ()
    return replace(entry, children=children) if children else None


def _classic(entry: Entry, order: str) -> Entry | None:
    """An entry of 64-bit integers in 32 bits, None where one of them is too large."""
    wide, narrow, kind = {16: ("Q", "I", 4), 17: ("q", "i", 9), 18: ("Q", "I", 13)}[entry.kind]
    numbers = struct.unpack(f"{order}{entry.count}{wide}", entry.value)
    try:
        value = struct.pack(f"{order}{entry.count}{narrow}", *numbers)
    except struct.error:
        return None
    return replace(entry, kind=kind, value=value)


def integer(entry: Entry, order: str) -> int:
    """The first value of a BYTE, SHORT or LONG entry."""
    width = {1: "B", 3: "H", 4: "I", 13: "I"}.get(entry.kind)
    if width is None:
        raise ValueError(f"tag {entry.tag} holds no integer")
    return int(struct.unpack_from(order + width, entry.value)[0])


def number(entry: Entry, order: str) -> int | None:
    """The first value as an integer, UNDEFINED read as BYTE; None where the type holds none."""
    kind = _INTEGERS.get(entry.kind)
    return None if kind is None else integer(replace(entry, kind=kind), order)


def write_directory(entries: Sequence[Entry], order: str, offset: int, following: int = 0) -> bytes:
    """A directory that starts at `offset`, its long values and inner directories behind it."""
    entries = sorted(entries, key=lambda entry: entry.tag)
    heap_at = offset + 2 + 12 * len(entries) + 4
    table, heap = struct.pack(f"{order}H", len(entries)), b""
    for entry in entries:
        value = entry.value
        if entry.children:
            inner = write_directory(entry.children, order, heap_at + len(heap))
            value, heap = struct.pack(f"{order}I", heap_at + len(heap)), heap + inner
        elif len(value) > 4:
            start = heap_at + len(heap)
            heap += value + b"\0" * (len(value) % 2)  # values start on even offsets
            value = struct.pack(f"{order}I", start)
        table += struct.pack(f"{order}HHI", entry.tag, entry.kind, entry.count) + value.ljust(
            4, b"\0"
        )
    return table + struct.pack(f"{order}I", following) + heap
