"""IPTC in Photoshop's resources (as in APP13 of JPEG), and PNG's texts with ImageMagick's profiles.

A raw profile is a text chunk whose text is a name, a length and the bytes in hexadecimal.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from esc_cli.media.metadata import EXIF_PREFIX

RAW_PREFIX = b"Raw profile type "
PHOTOSHOP = b"Photoshop 3.0\0"
XMP_NAMESPACE = b"http://ns.adobe.com/xap/1.0/\0"
MOST_BYTES = 64 << 20
"""Of a profile or a packet unpacked: no real one comes near."""
_IPTC = 0x0404
# IPTC and its digest, resolution, thumbnails, quality of JPEG, ICC, EXIF, XMP, version.
_SEEN_TO = frozenset(
    (_IPTC, 0x0425, 0x03ED, 0x0409, 0x040C, 0x0406, 0x040F, 0x0422, 0x0424, 0x0421)
)
_TEXT = re.compile(rb"\s*\S[^\n]*\n\s*(\d{1,10})\s+([0-9a-fA-F\s]*)")
_COLUMNS = 72
_EXIF_STARTS = (EXIF_PREFIX, b"II*\0", b"MM\0*")  # some writers leave the prefix out


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, value) of each resource; a value that is cut short ends them."""
    at = 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        (code,) = struct.unpack_from(">H", block, at + 4)
        at += 6 + (block[at + 6] + 2) // 2 * 2  # its name, a Pascal string of even length
        size = int.from_bytes(block[at : at + 4], "big")
        value = block[at + 4 : at + 4 + size]
        if len(value) != size:
            return
        yield code, value
        at += 4 + size + size % 2


def iptc_of(resources: bytes | None) -> bytes | None:
    """The IPTC record among Photoshop's resources, with or without their name in front."""
    block = (resources or b"").removeprefix(PHOTOSHOP)
    for code, value in _resources(block):
        if code == _IPTC:
            return value or None
    return block if block[:1] == b"\x1c" else None  # the record alone


def further_resources(resources: bytes) -> int:
    """How many of Photoshop's resources are neither kept nor about the stored pixels."""
    block = resources.removeprefix(PHOTOSHOP)
    return sum(code not in _SEEN_TO and any(value) for code, value in _resources(block))


def resources_of(iptc: bytes) -> bytes:
    """Photoshop's resources that hold nothing but this record."""
    return struct.pack(">4sHHI", b"8BIM", _IPTC, 0, len(iptc)) + iptc + b"\0" * (len(iptc) % 2)


def raw_profile(name: bytes, block: bytes) -> bytes:
    """The payload of a zTXt chunk that holds `block`."""
    digits = block.hex().encode()
    lines = (digits[at : at + _COLUMNS] for at in range(0, len(digits), _COLUMNS))
    text = b"\n".join((b"", name, b"%8d" % len(block), *lines, b""))
    return RAW_PREFIX + name + b"\0\0" + zlib.compress(text)


@dataclass
class RawProfiles:
    """What the raw profiles of a PNG hold, and notes on those that hold nothing readable."""

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, kind: bytes, payload: bytes) -> None:
        """Take a text chunk of this type whose keyword starts with `RAW_PREFIX`."""
        keyword, _, rest = payload.partition(b"\0")
        name, block = keyword.removeprefix(RAW_PREFIX).lower(), _unpacked(kind, rest)
        if block is None:
            self.notes.append(f"left out: {_shown(name)}, which is damaged")
        elif name in (b"exif", b"app1") and block.startswith(_EXIF_STARTS):
            self.exif = self.exif or block
        elif name in (b"xmp", b"app1"):
            self.xmp = self.xmp or block.removeprefix(XMP_NAMESPACE)
        elif name in (b"iptc", b"8bim"):
            self.iptc = self.iptc or iptc_of(block)
        elif name in (b"icc", b"icm"):
            self.icc = self.icc or block
        else:
            self.notes.append(f"left out: {_shown(name)}")


def _shown(name: bytes) -> str:
    letters = "".join(chr(byte) for byte in name[:20] if 32 < byte < 127)
    return f"the raw profile {letters or 'without a name'}"


def _unpacked(kind: bytes, rest: bytes) -> bytes | None:
    """The bytes of the profile, None where length and digits do not agree."""
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed, rest = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
    elif packed:
        rest = rest[1:]
    text = inflate(rest) if packed else rest
    found = _TEXT.match(text or b"")
    digits = b"".join(found[2].split()) if found else b""
    wanted = 2 * int(found[1]) if found else 0
    if not 0 < wanted <= len(digits):
        return None
    return bytes.fromhex(digits[:wanted].decode())  # some writers leave rubbish behind


def is_whole_text(kind: bytes, payload: bytes) -> bool:
    """Whether a tEXt, zTXt or iTXt chunk is what the PNG specification says (11.3.3).

    Readers refuse a whole picture for a text of an unknown compression.
    """
    keyword, end, rest = payload.partition(b"\0")
    if not end or not 0 < len(keyword) < 80:
        return False
    if kind == b"zTXt":
        return rest[:1] == b"\0" and _is_stream(rest[1:])
    if kind == b"iTXt":
        if rest[:1] not in (b"\0", b"\1") or rest[1:2] != b"\0" or rest[2:].count(b"\0") < 2:
            return False
        return rest[:1] == b"\0" or _is_stream(rest[2:].split(b"\0", 2)[-1])
    return True


def _is_stream(packed: bytes) -> bool:
    """Whether it is a whole zlib stream of up to `MOST_BYTES`."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(packed, MOST_BYTES)
    except zlib.error:
        return False
    return unpacking.eof


def inflate(packed: bytes) -> bytes | None:
    """What a zlib stream holds, up to `MOST_BYTES`; None where it is damaged."""
    try:
        return zlib.decompressobj().decompress(packed, MOST_BYTES) or None
    except zlib.error:
        return None  # a damaged profile is no reason to refuse the picture
