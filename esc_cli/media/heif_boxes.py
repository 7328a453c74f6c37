"""Boxes of AVIF and HEIF (ISO/IEC 23008-12): what they say of the first picture's pixels."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO, TypeAlias

from esc_cli.media.animation import Box

Properties: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""(type, payload) of each property of an item, in the order in which they apply."""

_META_BYTES = 1 << 24
DEPTHS = (b"auxid:2\0", b":auxiliary:depth", b":aux:depth")
"""What the types of auxiliary pictures have in them if they are depths."""
_FULL_BYTES = 4  # version and flags
_PICTURES = frozenset((b"av01", b"hvc1", b"grid", b"iovl", b"iden"))
_USUAL = frozenset((0, 1, 2, 5, 6, 13))  # sRGB, Rec. 601 and 709, unspecified (ITU-T H.273)


def boxes(block: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, start of the payload, its end) of the boxes in a row, up to one that does not fit."""
    at = 0
    while at + 8 <= len(block):
        size, kind = struct.unpack_from(">I4s", block, at)
        head = 8
        if size == 1 and at + 16 <= len(block):
            size, head = struct.unpack_from(">Q", block, at + 8)[0], 16
        end = len(block) if size == 0 else at + size
        if end > len(block) or end < at + head:
            return
        yield kind, at + head, end
        at = end


def box(kind: bytes, *payload: bytes) -> bytes:
    """A box; its size has 64 bits where 32 are too few."""
    body = b"".join(payload)
    if len(body) + 8 >= 2**32:
        return struct.pack(">I4sQ", 1, kind, 16 + len(body)) + body
    return struct.pack(">I4s", 8 + len(body), kind) + body


def children(block: bytes) -> dict[bytes, bytes]:
    """The payloads of the boxes in a row, by type; of several alike the first."""
    found: dict[bytes, bytes] = {}
    for kind, start, end in boxes(block):
        found.setdefault(kind, block[start:end])
    return found


def _meta(stream: BinaryIO) -> dict[bytes, bytes]:
    """The boxes of the file's meta box."""
    at, end = 0, stream.seek(0, os.SEEK_END)
    while at + 8 <= end:
        stream.seek(at)
        head = stream.read(16).ljust(16, b"\0")
        size, kind, long_size = struct.unpack(">I4sQ", head)
        start = at + (16 if size == 1 else 8)
        size = long_size if size == 1 else size or end - at
        if kind == b"meta":
            stream.seek(start + _FULL_BYTES)
            return children(stream.read(min(size, _META_BYTES) - (start - at) - _FULL_BYTES))
        if size < 8:
            break
        at += size
    return {}


@dataclass(frozen=True)
class Primary:
    """The type of the primary item, its properties, and what lies beside it in words.

    A grid has no codec's configuration of its own: the properties of its first tile come last
    then. Where the boxes cannot be read, all is empty.
    """

    kind: bytes = b""
    properties: Properties = ()
    others: tuple[str, ...] = ()


def primary(stream: BinaryIO) -> Primary:
    """What the file says of its first picture."""
    try:
        return _primary(_meta(stream))
    except (struct.error, IndexError):
        return Primary()
    finally:
        stream.seek(0)


def _primary(meta: dict[bytes, bytes]) -> Primary:
    stated = meta.get(b"pitm", b"")
    number = struct.unpack_from(">H" if stated[:1] == b"\0" else ">I", stated, _FULL_BYTES)[0]
    kinds = dict(_items(meta.get(b"iinf", b"")))
    inside = children(meta.get(b"iprp", b""))
    all_of_them = inside.get(b"ipco", b"")
    container = [(kind, all_of_them[start:end]) for kind, start, end in boxes(all_of_them)]
    places = dict(associations(inside.get(b"ipma", b"")))
    own = [container[at - 1] for at in places.get(number, ()) if 0 < at <= len(container)]
    if kinds.get(number) == b"grid":
        tile = places.get(_first_tile(meta.get(b"iref", b""), number), ())
        own += [container[at - 1] for at in tile if 0 < at <= len(container)]
    return Primary(kinds.get(number, b""), tuple(own), _others(kinds, container))


def _others(kinds: dict[int, bytes], container: list[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """A gain map (ISO 21496-1, or Apple's) and a map of depths, which no result has."""
    auxiliary = b" ".join(payload for kind, payload in container if kind == b"auxC")
    found = (
        ("its gain map (HDR)", b"tmap" in kinds.values() or b"hdrgainmap" in auxiliary),
        ("its depth map", any(name in auxiliary for name in DEPTHS)),
    )
    return tuple(what for what, is_there in found if is_there)


def further_pictures(stream: BinaryIO) -> int:
    """How many pictures to be shown lie beside the primary one: no part, thumbnail or opacity."""
    try:
        return _further(_meta(stream))
    except (struct.error, IndexError):
        return 0
    finally:
        stream.seek(0)


def _further(meta: dict[bytes, bytes]) -> int:
    stated, iinf, iref = (meta.get(kind, b"") for kind in (b"pitm", b"iinf", b"iref"))
    number = struct.unpack_from(">H" if stated[:1] == b"\0" else ">I", stated, _FULL_BYTES)[0]
    shown = {item for item, kind in _items(iinf, hidden=False) if kind in _PICTURES}
    parts = {part for _, those in all_references(iref, b"dimg") for part in those}
    beside = {item for kind in (b"auxl", b"thmb") for item, _ in references(iref, kind)}
    return len(shown - parts - beside - {number})


def _items(iinf: bytes, hidden: bool = True) -> Iterator[tuple[int, bytes]]:
    """(number, type) of each item (ISO/IEC 14496-12, 8.11.6), `hidden` ones too if so."""
    entries = iinf[6 if iinf[:1] == b"\0" else 8 :]
    for kind, start, end in boxes(entries):
        entry = entries[start:end]
        if kind == b"infe" and entry[0] in (2, 3) and (hidden or not entry[3] & 1):
            layout = ">HH4s" if entry[0] == 2 else ">IH4s"
            number, _, item_type = struct.unpack_from(layout, entry, _FULL_BYTES)
            yield number, item_type


def _first_tile(iref: bytes, grid: int) -> int:
    """The number of the item that a grid begins with."""
    return next((first for source, first in references(iref, b"dimg") if source == grid), grid)


def references(iref: bytes, kind: bytes) -> Iterator[tuple[int, int]]:
    """(number of an item, the first that it refers to) of this kind (ISO/IEC 14496-12, 8.11.12)."""
    return ((source, those[0]) for source, those in all_references(iref, kind) if those)


def all_references(iref: bytes, kind: bytes) -> Iterator[tuple[int, tuple[int, ...]]]:
    """(number of an item, all that it refers to) of this kind."""
    head, form = (">HH", "H") if iref[:1] == b"\0" else (">IH", "I")
    inside = iref[_FULL_BYTES:]
    for found, start, end in boxes(inside):
        at = start + struct.calcsize(head)
        if found == kind and at <= end:
            source, count = struct.unpack_from(head, inside, start)
            count = min(count, (end - at) // struct.calcsize(form))
            yield int(source), struct.unpack_from(f">{count}{form}", inside, at)


def associations(ipma: bytes) -> Iterator[tuple[int, list[int]]]:
    """(number of an item, numbers of its properties counted from 1) of an ipma box."""
    version, is_wide = ipma[:1] or b"\0", bool(ipma[3:4] and ipma[3] & 1)
    (count,) = struct.unpack_from(">I", ipma, _FULL_BYTES)
    at = 8
    for _ in range(min(count, len(ipma))):
        number, many = struct.unpack_from(">HB" if version == b"\0" else ">IB", ipma, at)
        at += 3 if version == b"\0" else 5
        layout = f">{many}{'H' if is_wide else 'B'}"
        found = struct.unpack_from(layout, ipma, at)
        at += struct.calcsize(layout)
        yield number, [value & (0x7FFF if is_wide else 0x7F) for value in found]


def stored_bits(properties: Properties) -> int:
    """The bits per channel of an AV1 or HEVC picture; 8 where nothing says more."""
    for kind, payload in properties:
        if kind == b"av1C" and len(payload) > 2:  # AV1-ISOBMFF, 2.3.3
            return 8 if not payload[2] & 0x40 else 12 if payload[2] & 0x20 else 10
        if kind == b"hvcC" and len(payload) > 17:  # ISO/IEC 14496-15, 8.3.3.1
            return 8 + (payload[17] & 7)
    return 8


def coded_colour(properties: Properties) -> tuple[tuple[bytes, bytes], ...]:
    """A cICP chunk for primaries and transfer of an nclx box that are not those of sRGB."""
    for kind, payload in properties:
        if kind == b"colr" and payload[:4] == b"nclx" and len(payload) >= 10:
            numbers = struct.unpack_from(">HH", payload, 4)
            if not _USUAL.issuperset(numbers) and max(numbers) < 256:
                return ((b"cICP", bytes((*numbers, 0, 1))),)  # decoded to full-range RGB
    return ()


def clean_aperture(properties: Properties, width: int, height: int) -> Box:
    """The part of an AVIF that its clap box leaves (ISO/IEC 14496-12, 12.1.4); all without one.

    One that does not lie on whole pixels inside the picture counts for nothing.
    """
    whole = Box(0, 0, width, height)
    found = dict(properties).get(b"clap", b"")
    numbers = struct.unpack(">8i", found) if len(found) == 32 else (0,) * 8
    if not all(numbers[1::2]):
        return whole
    across, down, right, below = map(Fraction, numbers[::2], numbers[1::2])
    left, top = right + (width - across) / 2, below + (height - down) / 2
    inside = 0 <= left <= left + across <= width and 0 <= top <= top + down <= height
    if across < 1 or down < 1 or not inside:
        return whole
    if any(number.denominator != 1 for number in (across, down, left, top)):
        return whole
    return Box(int(left), int(top), int(across), int(down))
