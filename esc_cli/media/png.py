"""PNG and animated PNG (PNG specification, third edition): chunks by hand, pixels by libraries.

Pillow has no 16-bit RGB, so still pictures never go through it.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import Any, BinaryIO

import numpy as np

from esc_cli.errors import ReadError
from esc_cli.media import apng
from esc_cli.media.animation import changed_box
from esc_cli.media.metadata import (
    bare_exif,
    damaged_exif,
    fitting_icc,
    orientation,
    unfit_icc,
    upright_size,
)
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Picture, Truncation
from esc_cli.media.png_background import levels_of, payload_of
from esc_cli.media.png_chunks import COLOUR_CHUNKS, SIGNATURE, XMP_KEYWORD, Chunks, collect, made
from esc_cli.media.profiles import inflate, raw_profile, resources_of
from esc_cli.media.truncated import has_all_rows, whole_png

# imagecodecs logs what libpng warns of; without a handler Python would print that.
logging.getLogger("imagecodecs").addHandler(logging.NullHandler())

COMPRESSION_LEVEL = 1
AT_ONCE_BYTES = 1 << 28
"""Pixels above which zlib streams them in bands: libdeflate wants its input and output whole."""
CHUNK_BYTES = 1 << 30
"""Most in one IDAT chunk; the format allows 2^31 - 1."""
_COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}  # by channels
_UP = 2


def header_payload(frame: Frame) -> bytes:
    """IHDR of an (H, W, C) frame, uint8 or uint16."""
    height, width, channels = frame.shape
    depth = 8 * frame.dtype.itemsize
    return struct.pack(">IIBBBBB", width, height, depth, _COLOUR_TYPE[channels], 0, 0, 0)


def compressed(frame: Frame) -> bytes:
    """The zlib stream of an (H, W, C) frame, the payload of its IDAT or fdAT chunks."""
    import imagecodecs

    if frame.nbytes <= AT_ONCE_BYTES:
        encode: Any = imagecodecs.deflate_encode  # its annotations know no memoryview
        return bytes(encode(_filtered(frame, 0), level=COMPRESSION_LEVEL))
    packer = zlib.compressobj(COMPRESSION_LEVEL)
    packed = [packer.compress(band) for band in _bands(frame)]
    return b"".join((*packed, packer.flush()))


def _bands(frame: Frame) -> Iterator[memoryview]:
    rows = max(1, AT_ONCE_BYTES * frame.shape[0] // frame.nbytes)
    for start in range(0, frame.shape[0], rows):
        first = max(0, start - 1)
        yield _filtered(frame[first : start + rows], start - first)


def _filtered(frame: Frame, skipped: int) -> memoryview:
    """Rows from number `skipped` on, each after its filter's number: (rows, 1 + bytes of a row)."""
    wire = frame if frame.dtype == np.uint8 else frame.astype(">u2")
    rows = np.frombuffer(wire.tobytes(), np.uint8).reshape(frame.shape[0], -1)
    result = np.empty((len(rows) - skipped, 1 + rows.shape[1]), np.uint8)
    result[:, 0] = _UP
    if not skipped:
        result[0, 1:] = rows[0]  # above the first row there is nothing, which counts as 0
    np.subtract(rows[1:], rows[:-1], out=result[1 - skipped :, 1:])
    return result.data


_PALETTE = 3
_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type


def inspect(stream: BinaryIO, truncation: Truncation | None = None) -> Contents:
    """Everything but the pixels; ReadError where the chunks do not add up."""
    chunks = collect(stream, truncation or Truncation())
    if not any(chunks.single.get(b"acTL", b"")[:4]):  # no frames: browsers show a still then
        chunks.single.pop(b"acTL", None)
    width, height, depth, colour_type = struct.unpack_from(">IIBB", chunks.single[b"IHDR"])
    if colour_type not in _CHANNELS or 0 in (width, height):
        raise ReadError("the picture is damaged: its header cannot be read")
    alpha = b"tRNS" in chunks.single and _is_transparency(chunks.single[b"tRNS"], chunks.single)
    channels = _CHANNELS[colour_type] + alpha
    delays = tuple(_delay_ms(control) for control in chunks.controls)
    moving = len(delays) > 1 and b"acTL" in chunks.single
    metadata = _metadata(chunks, grey=channels <= 2)
    turned = orientation(metadata.exif)
    size = upright_size(width, height, turned)
    bits = 16 if depth == 16 else 8
    return Contents(
        Header("PNG", *size, channels, bits, len(delays) if moving else 1),
        turned,
        metadata,
        delays if moving else (),
        struct.unpack_from(">II", chunks.single[b"acTL"])[1] if moving else None,
        moving=b"acTL" in chunks.single and bool(delays) and chunks.apart,
        notes=(
            *damaged_exif(_exif(chunks)),
            *unfit_icc(chunks.single.get(b"iCCP"), metadata.icc),
            *chunks.left_out(),
        ),
    )


def _delay_ms(control: bytes) -> float:
    over, under = struct.unpack_from(">HH", control, 20)
    return float(over * 1000 / (under or 100))  # a denominator of 0 stands for 100


def _exif(chunks: Chunks) -> bytes | None:
    """The chunk of the specification goes before what older programs wrote."""
    return chunks.single.get(b"eXIf") or chunks.raw.exif


def _metadata(chunks: Chunks, grey: bool) -> Metadata:
    single = chunks.single
    dpi = None
    if len(single.get(b"pHYs", b"")) == 9:
        across, down, unit = struct.unpack(">IIB", single[b"pHYs"])
        dpi = (across * 0.0254, down * 0.0254) if unit == 1 and across and down else None
    icc = chunks.raw.icc
    if b"iCCP" in single:
        icc = inflate(single[b"iCCP"].partition(b"\0")[2][1:])
    return Metadata(
        icc=fitting_icc(icc, grey),
        exif=bare_exif(_exif(chunks)),
        xmp=chunks.xmp or chunks.raw.xmp,
        dpi=dpi,
        png_colour=tuple(
            (kind, single[kind])
            for kind, length in COLOUR_CHUNKS.items()
            if len(single.get(kind, b"")) == length
        ),
        png_text=tuple(chunks.texts),
        background=levels_of(single),
        png_time=single.get(b"tIME") or None,
        iptc=chunks.raw.iptc,
    )


def frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    """The composed (H, W, C) frames, uint8 or uint16, not yet turned upright."""
    decode = partial(_still_frame, truncation=truncation)
    if contents.header.frames > 1 or contents.moving:
        yield from apng.frames(content, contents.header, decode, truncation)
    else:
        yield decode(content)


def _still_frame(content: bytes, truncation: Truncation) -> Frame:
    import imagecodecs

    frame: Frame
    try:
        frame = imagecodecs.png_decode(content)
    except (imagecodecs.PngError, UnicodeDecodeError):  # its message may be none: freed memory
        if not has_all_rows(content):
            truncation.found("the file is cut short or broken")
        frame = imagecodecs.png_decode(whole_png(content))
    return frame[..., None] if frame.ndim == 2 else frame


def _is_transparency(payload: bytes, single: dict[bytes, bytes]) -> bool:
    """Whether a tRNS chunk fits the colour type; libpng ignores it else."""
    if single[b"IHDR"][9] == _PALETTE:
        return 0 < len(payload) <= len(single.get(b"PLTE", b"")) // 3
    return len(payload) == {0: 2, 2: 6}.get(single[b"IHDR"][9])


def encode_png(picture: Picture, exif: bytes | None) -> bytes:
    """A PNG file, animated if the picture has more than one frame."""
    head = SIGNATURE, made(b"IHDR", header_payload(picture.frames[0]))
    parts = [*head, *_metadata_chunks(picture, exif)]
    if len(picture.frames) == 1:
        packed = memoryview(compressed(picture.frames[0]))
        steps = range(0, len(packed), CHUNK_BYTES)
        parts += [made(b"IDAT", packed[at : at + CHUNK_BYTES]) for at in steps]
    else:
        parts += _animation_chunks(picture)
    return b"".join((*parts, made(b"IEND", b"")))


def _metadata_chunks(picture: Picture, exif: bytes | None) -> Iterator[bytes]:
    metadata = picture.metadata
    for kind, payload in metadata.png_colour:
        if metadata.icc is None or kind != b"sRGB":  # a file has one of sRGB and iCCP
            yield made(kind, payload)
    icc = fitting_icc(metadata.icc, grey=picture.header.channels <= 2)
    if icc is not None:
        yield made(b"iCCP", b"ICC Profile\0\0" + zlib.compress(icc))
    yield from _background(picture)
    if metadata.dpi is not None:
        across, down = (min(round(dpi / 0.0254), 2**31 - 1) for dpi in metadata.dpi)
        yield made(b"pHYs", struct.pack(">IIB", across, down, 1))
    if exif is not None:
        yield made(b"eXIf", exif)
    if metadata.xmp is not None:
        yield made(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp)
    if metadata.iptc is not None:
        yield made(b"zTXt", raw_profile(b"iptc", resources_of(metadata.iptc)))
    yield from () if metadata.png_time is None else (made(b"tIME", metadata.png_time),)
    yield from (made(kind, payload) for kind, payload in metadata.png_text)
    yield from (_comment(comment) for comment in metadata.comments)


def _background(picture: Picture) -> Iterator[bytes]:
    frame, levels = picture.frames[0], picture.metadata.background
    if levels and (colour := payload_of(levels, frame.shape[2], 8 * frame.itemsize)) is not None:
        yield made(b"bKGD", colour)


def _comment(comment: bytes) -> bytes:
    """JPEG and GIF name no encoding: UTF-8 where it can be, else Latin-1."""
    comment = comment.replace(b"\0", b"")
    try:
        comment.decode()
    except UnicodeDecodeError:
        return made(b"tEXt", b"Comment\0" + comment)
    return made(b"iTXt", b"Comment\0\0\0\0\0" + comment)


def _animation_chunks(picture: Picture) -> Iterator[bytes]:
    yield made(b"acTL", struct.pack(">II", len(picture.frames), picture.loop or 0))
    sequence, previous = 0, None
    for frame, delay_ms in zip(picture.frames, picture.durations_ms, strict=True):
        box = changed_box(previous, frame)
        body = compressed(box.cut(frame))
        place = struct.pack(">IIIII", sequence, box.width, box.height, box.left, box.top)
        # Both operations 0: leave the canvas as it is, overwrite it with the next frame.
        yield made(b"fcTL", place + struct.pack(">HHBB", *_delay_fraction(delay_ms), 0, 0))
        if previous is None:
            yield made(b"IDAT", body)
        else:
            sequence += 1
            yield made(b"fdAT", struct.pack(">I", sequence) + body)
        sequence, previous = sequence + 1, frame


def _delay_fraction(delay_ms: float) -> tuple[int, int]:
    """Seconds as (numerator, denominator), each of 16 bits."""
    seconds = Fraction(delay_ms / 1000)
    exact = seconds.limit_denominator(10000)
    if exact.numerator <= 65535:
        return exact.numerator, exact.denominator
    return min(round(seconds), 65535), 1
