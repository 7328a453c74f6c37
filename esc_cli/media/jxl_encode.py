"""JPEG XL (ISO/IEC 18181), written by libjxl in OpenImageIO; EXIF and XMP in boxes of our own.

The encoder in imagecodecs takes no colour profile, and calls all 16-bit samples linear light.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from esc_cli.errors import WriteError
from esc_cli.media.formats import load_openimageio
from esc_cli.media.heif_boxes import box
from esc_cli.media.metadata import fitting_icc
from esc_cli.media.openimageio import written
from esc_cli.media.picture import Metadata, Picture

LOSSLESS = 100
_SRGB = (1, 13, 0, 1)
_PRIMARIES = frozenset((1, 9, 11, 12))
_TRANSFERS = frozenset((1, 8, 13, 16, 17, 18))
_EFFORT = 3  # of 1 to 9, without a loss: 5 takes three times as long for a tenth less
_OF_PIXELS = frozenset((b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp"))


def holds_colour(cicp: bytes) -> bool:
    """Whether a colour space given as in PNG's cICP has a name in a codestream (annex E)."""
    return cicp[0] in _PRIMARIES and cicp[1] in _TRANSFERS and cicp[2:] == b"\0\1"


def encode_jxl(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    """A JPEG XL file of a picture with 1, 3 or 4 channels of 8 or 16 bits.

    quality: 1 to 100, which loses nothing. Raises WriteError.
    """
    frame, metadata = picture.frames[0], picture.metadata
    library = load_openimageio("results in JXL")
    attributes: list[tuple[str, Any, Any]] = [
        ("compression", "string", f"jpegxl:{quality}"),
    ]
    if quality == LOSSLESS:
        attributes.append(("jpegxl:effort", "int", _EFFORT))
    attributes += _colour(metadata, frame.shape[2] == 1, library)
    made = b"".join(_pixel_boxes(written(frame, "JXL", attributes)))
    boxes = ((b"Exif", None if exif is None else bytes(4) + exif), (b"xml ", metadata.xmp))
    return made + b"".join(box(kind, block) for kind, block in boxes if block)


def _colour(metadata: Metadata, grey: bool, library: Any) -> list[tuple[str, Any, Any]]:
    cicp = dict(metadata.png_colour).get(b"cICP", b"")
    icc = fitting_icc(metadata.icc, grey)
    if cicp and holds_colour(cicp) and not grey:
        return [("CICP", library.TypeDesc("int[4]"), tuple(cicp))]
    if icc is not None:
        return [("ICCProfile", library.TypeDesc(f"uint8[{len(icc)}]"), icc)]
    # Of grey the encoder names no primaries; its default is sRGB's curve.
    return [] if grey else [("CICP", library.TypeDesc("int[4]"), _SRGB)]


def _pixel_boxes(content: bytes) -> Iterator[bytes]:
    """The boxes of a file but its metadata: the encoder writes EXIF of its own."""
    at = 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", content, at + 8)
        end = len(content) if size == 0 else at + size
        if not at < end <= len(content):
            raise WriteError("the result cannot be encoded as JXL", advice="try another --format")
        if kind in _OF_PIXELS:
            # A box that goes to the end of the file says how long it is: others follow.
            body = content[at:end]
            yield box(kind, body[8:]) if size == 0 else body
        at = end
