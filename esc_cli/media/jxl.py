"""JPEG XL (ISO/IEC 18181): stills, decoded by libjxl in imagecodecs, and the boxes around them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.jxl_header import ALPHA, BLACK, JxlHeader, read_header
from esc_cli.media.metadata import bare_exif, damaged_exif, upright_size
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Truncation
from esc_cli.media.profiles import MOST_BYTES

_BARE = b"\xff\x0a"
_HEAD_BYTES = 1 << 16
_SRGB = (1, 13)


def inspect(stream: BinaryIO, truncation: Truncation) -> Contents:
    """Everything but the pixels.

    Raises UnsupportedError for animations, floating-point samples, CMYK and colour spaces that no
    other format could take over; ReadError where the boxes end too early.
    """
    boxes = _Boxes(stream.read(), truncation)
    found = read_header(boxes.start)
    _refuse(found)
    notes = damaged_exif(boxes.exif)
    colour = () if found.colour == _SRGB else ((b"cICP", bytes((*(found.colour or ()), 0, 1))),)
    metadata = Metadata(exif=bare_exif(boxes.exif), xmp=boxes.xmp, png_colour=colour)
    size = upright_size(found.width, found.height, found.orientation)
    channels = (1 if found.grey else 3) + (ALPHA in found.extra)
    bits = 8 if found.bits <= 8 else 16
    # The codestream's orientation counts, whatever EXIF says, and libjxl applies it.
    return Contents(Header("JXL", *size, channels, bits, 1), 1, metadata, notes=notes)


def _refuse(found: JxlHeader) -> None:
    what = None
    if found.animated:
        what = "animated JPEG XL"
    elif found.floating or found.bits > 16:
        kind = "floating point" if found.floating else "bits per channel"
        what = f"JPEG XL with {found.bits}-bit {kind}"
    elif BLACK in found.extra:
        what = "JPEG XL in CMYK"
    elif found.extra not in ((), (ALPHA,)):
        what = "JPEG XL with channels beside colour and opacity"
    elif found.colour is None:
        what = "JPEG XL with an ICC profile or primaries of its own"
    if what is not None:
        raise UnsupportedError(f"{what} is not supported", advice="djxl makes a PNG of it")


def is_lossless(content: bytes) -> bool:
    """Whether a file lost nothing: the lossy mode stores XYB, or has taken over a JPEG."""
    boxes = _Boxes(content, Truncation(allowed=True))
    return not boxes.of_jpeg and not read_header(boxes.start).xyb


class _Boxes:
    """The start of the codestream, and the blocks beside it (ISO/IEC 18181-2)."""

    def __init__(self, content: bytes, truncation: Truncation) -> None:
        self.start, self.exif, self.xmp = b"", None, None  # type: bytes, bytes | None, bytes | None
        self.of_jpeg = False
        if content.startswith(_BARE):
            self.start = content[:_HEAD_BYTES]
            return
        at = 0
        while at + 8 <= len(content):
            size, kind = struct.unpack_from(">I4s", content, at)
            first = at + 8
            if size == 1 and at + 16 <= len(content):
                (size,) = struct.unpack_from(">Q", content, first)
                first += 8
            end = len(content) if size == 0 else at + size
            if end > len(content) or end < first:
                truncation.found()
                end = len(content)
            self._take(kind, content[first:end])
            at = end

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == b"brob":
            kind, payload = payload[:4], _unpacked(payload[4:])
        if kind in (b"jxlc", b"jxlp") and len(self.start) < _HEAD_BYTES:
            self.start += payload[4 if kind == b"jxlp" else 0 :][:_HEAD_BYTES]
        elif kind == b"jbrd":
            self.of_jpeg = True
        elif kind == b"Exif" and len(payload) > 4:
            self.exif = self.exif or payload[4 + int.from_bytes(payload[:4], "big") :]
        elif kind == b"xml ":
            self.xmp = self.xmp or payload or None


def _unpacked(packed: bytes) -> bytes:
    """Of Brotli; nothing for what is damaged or larger than any real block."""
    import imagecodecs

    try:
        return bytes(imagecodecs.brotli_decode(packed, out=MOST_BYTES))
    except (RuntimeError, ValueError):
        return b""


def frames(
    content: bytes,
    contents: Contents,  # noqa: ARG001 - as every reader
    truncation: Truncation,
) -> Iterator[Frame]:
    """The (H, W, C) picture, uint8 or uint16, upright."""
    import imagecodecs

    found = read_header(_Boxes(content, truncation).start)
    try:
        frame: Frame = imagecodecs.jpegxl_decode(content, keeporientation=False)
    except imagecodecs.JpegxlError as error:
        what = "its data cannot be decoded"
        if "NEED_MORE_INPUT" in str(error):
            what = "the file is cut short"
        raise ReadError(f"the picture is damaged: {what}") from error
    frame = frame[..., None] if frame.ndim == 2 else frame
    yield _straight(_full(frame, found.bits)) if found.premultiplied else _full(frame, found.bits)


def _full(frame: Frame, bits: int) -> Frame:
    """Samples of `bits` spread over those of 8 or 16, rounded."""
    kind, top = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    if bits in (8, 16):
        return np.ascontiguousarray(frame)
    most = 2**bits - 1
    spread: Frame = ((frame.astype(np.uint32) * top + most // 2) // most).astype(kind)
    return spread


def _straight(frame: Frame) -> Frame:
    """Premultiplied colour divided by alpha, rounded; clear pixels turn black."""
    top = int(np.iinfo(frame.dtype).max)
    alpha = frame[..., -1:].astype(np.uint64)
    colour = (frame[..., :-1].astype(np.uint64) * top + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colour, top).astype(frame.dtype), frame[..., -1:]], axis=-1)
