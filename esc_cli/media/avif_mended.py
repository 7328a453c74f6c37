"""AVIF which browsers read and the strict libavif of Pillow does not.

Of older encoders opacity states no size of its own, properties are given to items in several boxes,
or it is told which pictures are sizes of one (a pyramid), which says nothing of the one that is
read. And parameters of a gain map may be wrong, which no result has.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from esc_cli.media.heif_boxes import associations, box, boxes, children, references

_FULL_BYTES = 4  # version and flags
_HEAD_BYTES = 8  # of ipma: the number of its entries too
_OPACITY = b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0"


def as_libavif_reads(content: bytes) -> bytes:
    """The same file with one box of associations, opacity of the picture's size, and no pyramids.

    No brand says that it has a gain map, so that its parameters are not read. The changed meta box
    goes to the end and the old one is left as free space, so that no offset changes (ISO/IEC
    14496-12, 8.11.1 lets it be anywhere).
    """
    found = {kind: (start, end) for kind, start, end in boxes(content)}
    content = _without_gain_map(content, *found.get(b"ftyp", (0, 0)))
    if b"meta" not in found:
        return content
    start, end = found[b"meta"]
    try:
        changed = _changed(content[start + _FULL_BYTES : end])
    except (struct.error, IndexError):
        return content
    if changed is None or content[start - 4 : start] != b"meta":  # with a size of 64 bits
        return content
    meta = box(b"meta", content[start : start + _FULL_BYTES] + changed)
    return content[: start - 4] + b"free" + content[start:] + meta


def _without_gain_map(content: bytes, start: int, end: int) -> bytes:
    """With the brand of AVIF's base in the place of that of gain maps; both ends are of ftyp."""
    brands = [content[at : at + 4] for at in range(start + 8, end, 4)]
    if b"tmap" not in brands:
        return content
    said = b"".join(b"mif1" if brand == b"tmap" else brand for brand in brands)
    return content[: start + 8] + said + content[end:]


def _changed(meta: bytes) -> bytes | None:
    """The boxes in the meta box, None where nothing is odd."""
    parts = {kind: meta[start:end] for kind, start, end in boxes(meta)}
    inside = parts.get(b"iprp", b"")
    stored = children(inside).get(b"ipco", b"")
    tables = [inside[start:end] for kind, start, end in boxes(inside) if kind == b"ipma"]
    merged = _merged(tables)
    wanted = _missing_sizes(parts.get(b"iref", b""), stored, merged)
    pyramids = b"pymd" in children(parts.get(b"grpl", b""))
    if pyramids:
        del parts[b"grpl"]
    if not wanted and not pyramids and len(merged) == len(tables):
        return None
    made = (box(b"ipma", b"".join(_associated(table, wanted))) for table in merged)
    parts[b"iprp"] = box(b"ipco", stored) + b"".join(made)
    return b"".join(box(kind, part) for kind, part in parts.items())


def _merged(tables: list[bytes]) -> list[bytes]:
    """One ipma box of each version and flags."""
    alike: dict[bytes, list[bytes]] = {}
    for table in tables:
        alike.setdefault(table[:_FULL_BYTES], []).append(table)
    merged = []
    for head, those in alike.items():
        count = sum(struct.unpack_from(">I", table, _FULL_BYTES)[0] for table in those)
        rest = b"".join(table[_HEAD_BYTES:] for table in those)
        merged.append(head + struct.pack(">I", min(count, 2**32 - 1)) + rest)
    return merged


def _missing_sizes(iref: bytes, stored: bytes, tables: list[bytes]) -> dict[int, int]:
    """The property that is the picture's size, by the item of opacity that has none."""
    container = [(kind, stored[start:end]) for kind, start, end in boxes(stored)]
    sizes = {at for at, (kind, _) in enumerate(container, 1) if kind == b"ispe"}
    opacity = {
        at
        for at, (kind, payload) in enumerate(container, 1)
        if kind == b"auxC" and payload[_FULL_BYTES:].startswith(_OPACITY)
    }
    places = {item: found for table in tables for item, found in associations(table)}
    wanted = {}
    for item, shown in references(iref, b"auxl"):
        own, of_picture = places.get(item, []), [at for at in places.get(shown, []) if at in sizes]
        if of_picture and opacity.intersection(own) and sizes.isdisjoint(own):
            wanted[item] = of_picture[0]
    return wanted


def _associated(ipma: bytes, wanted: dict[int, int]) -> Iterator[bytes]:
    """The box with one property more, in front of the others, for each wanted item."""
    layout = ">HB" if ipma[:1] == b"\0" else ">IB"
    form = ">H" if ipma[3] & 1 else ">B"
    at = _HEAD_BYTES
    yield ipma[:at]
    while at + struct.calcsize(layout) <= len(ipma):
        item, count = struct.unpack_from(layout, ipma, at)
        at += struct.calcsize(layout)
        end = at + count * struct.calcsize(form)
        more = struct.pack(form, wanted[item]) if item in wanted else b""
        yield struct.pack(layout, item, count + bool(more)) + more + ipma[at:end]
        at = end
