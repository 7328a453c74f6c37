"""AVIF files with properties of a test's own."""

from __future__ import annotations

import struct


def with_property(content: bytes, kind: bytes, payload: bytes) -> bytes:
    """An AVIF of one item as libavif writes it, that has a property more."""
    where = {name: content.index(name) - 4 for name in (b"meta", b"iprp", b"ipco", b"ipma")}
    sizes = {name: struct.unpack_from(">I", content, at)[0] for name, at in where.items()}
    properties, at = 1, where[b"ipco"] + 8
    while at < where[b"ipco"] + sizes[b"ipco"]:
        at += struct.unpack_from(">I", content, at)[0]
        properties += 1
    box = struct.pack(">I4s", 8 + len(payload), kind) + payload
    made, more = bytearray(content), len(box) + 1
    for name, longer in {b"meta": more, b"iprp": more, b"ipco": len(box), b"ipma": 1}.items():
        struct.pack_into(">I", made, where[name], sizes[name] + longer)
    pixels = content.index(b"mdat") + 4
    place = content.index(struct.pack(">I", pixels), content.index(b"iloc"))
    struct.pack_into(">I", made, place, pixels + more)
    made[where[b"ipma"] + 18] += 1
    end = where[b"ipma"] + sizes[b"ipma"]
    made[end:end] = bytes((0x80 | properties,))
    end = where[b"ipco"] + sizes[b"ipco"]
    made[end:end] = box
    return bytes(made)
