"""EXIF, XMP and properties put into an AVIF that imagecodecs wrote, which has no options for them.

Boxes as in ISO/IEC 14496-12, 8.11 and 12.1.5, items as in ISO/IEC 23008-12, annex A.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from esc_cli.media.heif_boxes import Properties, box, boxes, children

_FULL = b"\0\0\0\0"  # version and flags
_XMP_TYPE = b"application/rdf+xml\0"
_ILOC_ENTRY_BYTES = 14  # of version 0 with offsets and lengths of 4 bytes, one extent


@dataclass(frozen=True)
class _Item:
    number: int
    kind: bytes
    content_type: bytes
    content: bytes


def with_metadata(
    avif: bytes, properties: Properties, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """The same picture with these blocks; `exif` is a TIFF structure without prefix.

    `properties`, such as colr with an ICC profile, are of the primary item.

    Raises ValueError where the file is not laid out as libavif lays out a still.
    """
    parts = {kind: (start, end) for kind, start, end in boxes(avif)}
    if list(parts) != [b"ftyp", b"meta", b"mdat"]:
        raise ValueError("another layout than that of libavif")
    start, end = parts[b"meta"]
    meta = _Meta.of(avif[start + len(_FULL) : end])
    first = 1 + struct.unpack_from(">H", meta.boxes[b"iinf"], 4)[0]
    # The offset in front of EXIF says where its TIFF structure starts.
    blocks = ((b"Exif", b"", exif and _FULL + exif), (b"mime", _XMP_TYPE, xmp))
    items = [
        _Item(first + at, kind, content_type, block)
        for at, (kind, content_type, block) in enumerate(blocks)
        if block
    ]
    for kind, payload in properties:
        meta.add_property(kind, payload)
    meta.add_items(items)
    longer = len(meta.packed([], 0, 0)) + _ILOC_ENTRY_BYTES * len(items) - (end - start + 8)
    made = meta.packed(items, longer, len(avif) + longer + 8)
    head, rest = avif[: start - 8], avif[end:]
    further = b"".join(item.content for item in items)
    return b"".join((head, made, rest, box(b"mdat", further) if items else b""))


@dataclass
class _Meta:
    """The boxes of a meta box by type, in their order."""

    boxes: dict[bytes, bytes]

    @classmethod
    def of(cls, block: bytes) -> _Meta:
        return cls({kind: block[start:end] for kind, start, end in boxes(block)})

    def add_property(self, kind: bytes, payload: bytes) -> None:
        """Give the primary item, whose associations libavif writes first, one more."""
        parts = children(self.boxes[b"iprp"])
        container, ipma = parts[b"ipco"], bytearray(parts[b"ipma"])
        if ipma[:4] != _FULL or ipma[8:10] != b"\0\1":
            raise ValueError("another layout than that of libavif")
        count = sum(1 for _ in boxes(container))
        ipma[10] += 1
        ipma[10 + ipma[10] : 10 + ipma[10]] = bytes((count + 1,))
        container += box(kind, payload)
        self.boxes[b"iprp"] = box(b"ipco", container) + box(b"ipma", bytes(ipma))

    def add_items(self, items: list[_Item]) -> None:
        """Name the items and say that they describe the primary one."""
        if not items:
            return
        iinf = self.boxes[b"iinf"]
        count = struct.unpack_from(">H", iinf, 4)[0] + len(items)
        entries = b"".join(
            box(
                b"infe",
                b"\2\0\0\1"
                + struct.pack(">HH4s", item.number, 0, item.kind)
                + b"\0"
                # Hidden: it is no picture (flag 1). An empty name, then the type.
                + item.content_type,
            )
            for item in items
        )
        self.boxes[b"iinf"] = iinf[:4] + struct.pack(">H", count) + iinf[6:] + entries
        references = self.boxes.get(b"iref", _FULL)
        (primary,) = struct.unpack_from(">H", self.boxes[b"pitm"], 4)
        references += b"".join(
            box(b"cdsc", struct.pack(">HHH", item.number, 1, primary)) for item in items
        )
        # libavif reads the boxes in any order, but iprp goes last by custom.
        properties = self.boxes.pop(b"iprp")
        self.boxes[b"iref"], self.boxes[b"iprp"] = references, properties

    def packed(self, items: list[_Item], moved: int, further_at: int) -> bytes:
        """The box, its pixels `moved` bytes on and the contents of `items` at `further_at`."""
        iloc = self._locations(items, moved, further_at)
        made = (box(kind, iloc if kind == b"iloc" else part) for kind, part in self.boxes.items())
        return box(b"meta", _FULL + b"".join(made))

    def _locations(self, items: list[_Item], moved: int, further_at: int) -> bytes:
        iloc = self.boxes[b"iloc"]
        count = struct.unpack_from(">H", iloc, 6)[0]
        if iloc[:6] != _FULL + b"\x44\0" or len(iloc) != 8 + _ILOC_ENTRY_BYTES * count:
            raise ValueError("another layout than that of libavif")
        entries = [
            struct.pack(">HHHII", number, place, extents, offset + moved, length)
            for number, place, extents, offset, length in struct.iter_unpack(">HHHII", iloc[8:])
        ]
        for item in items:
            entries.append(struct.pack(">HHHII", item.number, 0, 1, further_at, len(item.content)))
            further_at += len(item.content)
        return iloc[:6] + struct.pack(">H", len(entries)) + b"".join(entries)
