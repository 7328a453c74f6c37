"""JPEG XL (ISO/IEC 18181): stills, decoded by libjxl in imagecodecs, and the boxes around them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media.floating import light_of, srgb_curve, srgb_light
from esc_cli.media.jxl_header import ALPHA, BLACK, JxlHeader, read_header
from esc_cli.media.metadata import bare_exif, damaged_exif, fitting_icc, upright_size
from esc_cli.media.openimageio import opened
from esc_cli.media.picture import (
    Contents,
    Frame,
    Header,
    Metadata,
    Truncation,
    full_range,
    straight,
)
from esc_cli.media.profiles import MOST_BYTES

_BARE = b"\xff\x0a"
_HEAD_BYTES = 1 << 16
_SRGB, _LINEAR = (1, 13), (1, 8)
_FLOATING_COLOURS = (_SRGB, _LINEAR)


def inspect(stream: BinaryIO, truncation: Truncation) -> Contents:
    """Everything but the pixels.

    Raises UnsupportedError for animations, CMYK and further channels, MissingExtraError for a
    profile without OpenImageIO, ReadError where the boxes end too early.
    """
    content = stream.read()
    boxes = _Boxes(content, truncation)
    found = read_header(boxes.start)
    _refuse(found)
    notes = damaged_exif(boxes.exif)
    colour: tuple[tuple[bytes, bytes], ...] = ()
    icc = None
    if found.colour is None and _becomes_srgb(found):
        notes += ("its colour profile became sRGB: colours beyond that are cut off",)
    elif found.colour is None:
        icc = _profile(content, found.grey)
    elif found.colour != _SRGB and not found.floating:
        colour = ((b"cICP", bytes((*found.colour, 0, 1))),)
    metadata = Metadata(icc, bare_exif(boxes.exif), boxes.xmp, png_colour=colour)
    size = upright_size(found.width, found.height, found.orientation)
    channels = (1 if found.grey else 3) + (ALPHA in found.extra)
    bits = 32 if found.floating else 8 if found.bits <= 8 else 16
    # The codestream's orientation counts, whatever EXIF says, and libjxl applies it.
    return Contents(Header("JXL", *size, channels, bits, 1), 1, metadata, notes=notes)


def _refuse(found: JxlHeader) -> None:
    what = None
    if found.animated:
        what = "animated JPEG XL"
    elif found.floating and found.colour not in _FLOATING_COLOURS:
        what = "JPEG XL with floating-point samples in a colour space of its own"
    elif found.bits > 16 and not found.floating:
        what = f"JPEG XL with {found.bits} bits per channel"
    elif BLACK in found.extra:
        what = "JPEG XL in CMYK"
    elif found.extra not in ((), (ALPHA,)):
        what = "JPEG XL with channels beside colour and opacity"
    elif _becomes_srgb(found) and found.bits != 16 and not found.depth_at:
        what = f"lossy JPEG XL with a colour profile and {found.bits} bits"
    if what is not None:
        raise UnsupportedError(f"{what} is not supported", advice="djxl makes a PNG of it")


def _becomes_srgb(found: JxlHeader) -> bool:
    """Whether the decoder gives linear light of sRGB: it has no way back from XYB to a profile."""
    return found.profiled and found.xyb


def _profile(content: bytes, grey: bool) -> bytes | None:
    with opened(content, "JXL") as file:
        profile = file.spec().getattribute("ICCProfile")
    return None if profile is None else fitting_icc(bytes(bytearray(profile)), grey)


def is_lossless(content: bytes) -> bool:
    """Whether a file lost nothing: the lossy mode stores XYB, or has taken over a JPEG."""
    boxes = _Boxes(content, Truncation(allowed=True))
    return not boxes.of_jpeg and not read_header(boxes.start).xyb


class _Boxes:
    """The start of the codestream, and the blocks beside it (ISO/IEC 18181-2)."""

    def __init__(self, content: bytes, truncation: Truncation) -> None:
        self.start, self.exif, self.xmp = b"", None, None  # type: bytes, bytes | None, bytes | None
        self.of_jpeg, self.start_at = False, 0
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
            if kind in (b"jxlc", b"jxlp") and not self.start:
                self.start_at = first + (4 if kind == b"jxlp" else 0)
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
    """The (H, W, C) picture, upright."""
    found = read_header(_Boxes(content, truncation).start)
    if _becomes_srgb(found):
        yield _in_srgb(_decoded(_with_twelve_bits(content, found)), found)
    elif found.floating:
        yield _floating_frame(_decoded(content), found, truncation)
    else:
        frame = full_range(_decoded(content), found.bits)
        yield straight(frame) if found.premultiplied else frame


def _decoded(content: bytes) -> Frame:
    import imagecodecs

    try:
        frame: Frame = imagecodecs.jpegxl_decode(content, keeporientation=False)
    except imagecodecs.JpegxlError as error:
        what = "its data cannot be decoded"
        if "NEED_MORE_INPUT" in str(error):
            what = "the file is cut short"
        raise ReadError(f"the picture is damaged: {what}") from error
    return frame[..., None] if frame.ndim == 2 else frame


def _floating_frame(frame: Frame, found: JxlHeader, truncation: Truncation) -> Frame:
    """Linear light, multiplied by alpha."""
    if found.colour == _SRGB:
        frame = np.array(frame, np.float32)
        colours = frame[..., :-1] if found.extra else frame
        colours[...] = np.copysign(srgb_light(np.abs(colours)), colours)
    return light_of(frame, truncation, bool(found.extra), straight=not found.premultiplied)


def _with_twelve_bits(content: bytes, found: JxlHeader) -> bytes:
    """The same lossy file, of which the decoder gives 12 bits: light in 8 would show its steps.

    The lossy mode stores no samples, and its header only tells how many bits they once had.
    """
    if not found.depth_at:
        return content
    boxes = _Boxes(content, Truncation(allowed=True))
    at = boxes.start_at + 2 + found.depth_at // 8  # far before any first part could end
    pair = int.from_bytes(content[at : at + 2], "little")
    shift = found.depth_at % 8
    pair = pair & ~(3 << shift) | 2 << shift
    return content[:at] + pair.to_bytes(2, "little") + content[at + 2 :]


def _in_srgb(frame: Frame, found: JxlHeader) -> Frame:
    """Linear light in whole numbers -> sRGB of 8 or 16 bits; opacity stays as it is."""
    bits = 12 if found.depth_at else found.bits
    kind, top = (np.uint8, 255) if found.bits <= 8 else (np.uint16, 65535)
    stored = frame.astype(np.float32) / np.float32(2**bits - 1)
    opacity = stored[..., -1:] if found.extra else None
    light = stored if opacity is None else stored[..., :-1]
    if opacity is not None and found.premultiplied:
        light = light / np.maximum(opacity, np.float32(1 / top))
    parts = (srgb_curve(light),) if opacity is None else (srgb_curve(light), opacity)
    levels: Frame = np.rint(np.concatenate(parts, axis=-1) * top).astype(kind)
    return levels
