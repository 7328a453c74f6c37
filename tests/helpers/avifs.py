"""AVIF files with properties of a test's own."""

from __future__ import annotations

import struct

from esc_cli.media.heif_boxes import boxes


def box(kind: bytes, *payload: bytes) -> bytes:
    block = b"".join(payload)
    return struct.pack(">I4s", 8 + len(block), kind) + block


def with_property(content: bytes, kind: bytes, payload: bytes) -> bytes:
    """An AVIF of one item as libavif writes it, that has a property more."""
    where = {name: content.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma")}
    sizes = {name: struct.unpack_from(">I", content, at)[0] for name, at in where.items()}
    properties, at = 1, where[b"ipco"] + 8
    while at < where[b"ipco"] + sizes[b"ipco"]:
        at += struct.unpack_from(">I", content, at)[0]
        properties += 1
    own = box(kind, payload)
    made, more = bytearray(content), len(own) + 1
    for name, longer in {b"meta": more, b"iprp": more, b"ipco": len(own), b"ipma": 1}.items():
        struct.pack_into(">I", made, where[name], sizes[name] + longer)
    pixels = content.index(b"mdat") + 4
    place = content.index(struct.pack(">I", pixels), content.index(b"iloc"))
    struct.pack_into(">I", made, place, pixels + more)
    made[where[b"ipma"] + 18] += 1
    end = where[b"ipma"] + sizes[b"ipma"]
    made[end:end] = bytes((0x80 | properties,))
    end = where[b"ipco"] + sizes[b"ipco"]
    made[end:end] = own
    return bytes(made)


def with_gain_map(content: bytes, parameters: bytes) -> bytes:
    """An AVIF of two items as libavif writes it, whose second is a gain map with parameters.

    Its tone-mapped item is as ISO/IEC 23008-12, 6.6.2.4 has it.
    """
    start = content.index(b"meta") + 4
    end = start - 8 + struct.unpack_from(">I", content, start - 8)[0]
    inside = content[start + 4 : end]
    parts = {kind: inside[at:stop] for kind, at, stop in boxes(inside)}
    # In front of the new meta box is the item's content, and the box that holds it.
    place = struct.pack(">HHHII", 3, 0, 1, len(content) + 8, len(parameters))
    parts[b"iinf"] += box(b"infe", b"\2\0\0\0" + struct.pack(">HH4sx", 3, 0, b"tmap"))
    parts[b"iinf"] = parts[b"iinf"][:4] + struct.pack(">H", 3) + parts[b"iinf"][6:]
    parts[b"iloc"] = parts[b"iloc"][:6] + struct.pack(">H", 3) + parts[b"iloc"][8:] + place
    parts[b"iref"] = bytes(4) + box(b"dimg", struct.pack(">HHHH", 3, 2, 1, 2))
    parts[b"grpl"] = box(b"altr", struct.pack(">IIIII", 0, 9, 2, 3, 1))
    meta = box(b"meta", bytes(4) + b"".join(box(kind, part) for kind, part in parts.items()))
    head = content[: start - 4].replace(b"MA1A", b"tmap").replace(b"MA1B", b"tmap")
    return head + b"free" + content[start:] + box(b"mdat", parameters) + meta
