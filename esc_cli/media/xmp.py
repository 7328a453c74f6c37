"""What an XMP packet says of the pixels, and what it promises of the rest of its file.

Packets are patched by name (ISO 16684-1): the usual prefixes stand in practice for one schema each.
"""

from __future__ import annotations

import re

_ACROSS = "FullPanoWidth|CroppedAreaImageWidth|CroppedAreaLeft"
_DOWN = "FullPanoHeight|CroppedAreaImageHeight|CroppedAreaTop"
_VALUE = r"(?:\s*=\s*[\"']|\s*>)\s*)(\d{1,9})(?:\.\d*)?"
_PANORAMA = re.compile(rf"(GPano:(?:({_ACROSS})|{_DOWN})Pixels{_VALUE}".encode())
_SIZE = re.compile(rf"((?:exif:Pixel([XY])Dimension|tiff:Image(Width|Length)){_VALUE}".encode())

_GAIN_MAP = "its gain map (HDR)"
_VIDEO = "the video of a motion photo"
_EXTENDED = "extended XMP"
_PROMISES = (
    (_GAIN_MAP, r"hdrgm:\w+"),
    (_VIDEO, r"(?:GCamera|Camera):(?:MotionPhoto|MicroVideo)\w*"),
    (_EXTENDED, r"xmpNote:HasExtendedXMP"),
)
_MOST_UNCLOSED = 100  # each is a search to the end of the packet
_DIRECTORY = r"(?:G?Container):Directory"
_MEANS = ((_GAIN_MAP, b"GainMap"), (_VIDEO, b"MotionPhoto"))


def scaled(xmp: bytes | None, before: tuple[int, int], after: tuple[int, int]) -> bytes | None:
    """The packet for a picture enlarged from `before` to `after`, both (width, height).

    The six numbers of a panorama (GPano) are scaled and rounded, stated sizes replaced.
    """
    if xmp is None:
        return None

    def enlarge(found: re.Match[bytes]) -> bytes:
        side = 0 if found[2] else 1
        return found[1] + b"%d" % round(int(found[3]) * after[side] / before[side])

    def state(found: re.Match[bytes]) -> bytes:
        return found[1] + b"%d" % after[0 if (found[2] or found[3]) in (b"X", b"Width") else 1]

    return _SIZE.sub(state, _PANORAMA.sub(enlarge, xmp))


def without_promises(xmp: bytes | None) -> tuple[bytes | None, tuple[str, ...]]:
    """(the packet without what speaks of parts that a result does not have, notes on each)."""
    if xmp is None:
        return None, ()
    lost: list[str] = []
    for what, names in ((None, _DIRECTORY), *_PROMISES):
        xmp, elements = _without_elements(xmp, names)
        attribute = re.compile(rf"\s{names}\s*=\s*(?:\"[^\"]*\"|'[^']*')".encode())
        taken = elements + b"".join(found[0] for found in attribute.finditer(xmp))
        xmp = attribute.sub(b"", xmp)
        means = _MEANS if what is None else ((what, b""),)
        lost += [name for name, sign in means if taken and sign in taken]
    return xmp, tuple(f"left out: {name}" for name in dict.fromkeys(lost))


def _without_elements(xmp: bytes, names: str) -> tuple[bytes, bytes]:
    """(the packet without elements of these names, what was taken out)."""
    kept, taken, at, unclosed = [], [], 0, 0
    for tag in re.finditer(rf"<({names})(?=[\s/>])[^<>]*>".encode(), xmp):
        if tag.start() < at or unclosed == _MOST_UNCLOSED:
            continue  # inside of what is out already
        closing = b"</" + tag[1] + b">"
        whole = tag[0].endswith(b"/>")
        found = tag.end() if whole else xmp.find(closing, tag.end())
        if found < 0:
            unclosed += 1
            continue
        end = found if whole else found + len(closing)
        kept.append(xmp[at : tag.start()])
        taken.append(xmp[tag.start() : end])
        at = end
    return b"".join((*kept, xmp[at:])), b"".join(taken)
