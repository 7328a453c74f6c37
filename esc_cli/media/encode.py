"""A result's `Picture` -> the bytes of a file."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from esc_cli.errors import WriteError
from esc_cli.media import heif
from esc_cli.media.exr import encode_exr
from esc_cli.media.floating import displayed_picture
from esc_cli.media.formats import OutputPlan, load_heif
from esc_cli.media.gif_encode import encode_gif
from esc_cli.media.jxl_encode import encode_jxl
from esc_cli.media.lost_content import JPEG_EXIF_BYTES, JPEG_SEGMENT_BYTES, JPEG_XMP_BYTES
from esc_cli.media.metadata import EXIF_PREFIX, fitting_icc, upright_exif
from esc_cli.media.output_formats import FORMATS
from esc_cli.media.picture import Frame, Metadata, Picture, to_eight_bits
from esc_cli.media.png import encode_png
from esc_cli.media.profiles import PHOTOSHOP, resources_of
from esc_cli.media.tiff_encode import encode_tiff
from esc_cli.media.webp import encode_webp


def encode(picture: Picture, plan: OutputPlan, quality: int | None) -> bytes:
    """The file that holds `picture` in the planned format.

    `picture.frames` are the result, see `Frame`, in any order of memory, and `picture.header`
    describes them. 16 bits are kept in PNG, TIFF and JPEG XL, rounded to 10 or 12 in AVIF and HEIF
    (`formats.bits_in`) and to 8 elsewhere; floating-point samples are kept in TIFF and OpenEXR, and
    become what a screen shows of them elsewhere. WebP, AVIF and HEIF store grey as equal R, G and
    B, as JPEG XL does with alpha. `quality` (1 to 100) is for JPEG (default 95, always 4:4:4), WebP
    (95; 100 is lossless), JPEG XL (100), AVIF and HEIF (90); the others are lossless, but for GIF's
    palette.

    EXIF sizes become those of the result. What a format has no place for is left out, and named
    by `lost_content.lost`.

    Raises WriteError when the codec fails.
    """
    if not FORMATS[plan.format].floating:
        picture = displayed_picture(picture)
    picture = replace(picture, frames=tuple(map(np.ascontiguousarray, picture.frames)))
    try:
        return _encode(picture, plan.format, quality)
    # What Pillow, pillow-heif, tifffile and imagecodecs (its errors are RuntimeErrors) raise.
    except (OSError, ValueError, SyntaxError, RuntimeError, TypeError, struct.error) as error:
        what = f"the result cannot be encoded as {plan.format}"
        raise WriteError(what, advice="try another --format") from error


def _encode(picture: Picture, format_name: str, quality: int | None) -> bytes:
    frame = picture.frames[0]
    exif = upright_exif(picture.metadata.exif, (frame.shape[1], frame.shape[0]))
    wanted = FORMATS[format_name].quality if quality is None else quality
    return ENCODERS[format_name](picture, wanted or 0, exif)


def _jpeg(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    metadata, grey = picture.metadata, picture.header.channels <= 2
    exif = _up_to(exif, JPEG_EXIF_BYTES)
    return _save(
        to_eight_bits(picture.frames[0]),
        "JPEG",
        quality=quality,
        subsampling="4:4:4",
        dpi=metadata.dpi,
        icc_profile=fitting_icc(metadata.icc, grey),
        exif=None if exif is None else EXIF_PREFIX + exif,
        xmp=_up_to(metadata.xmp, JPEG_XMP_BYTES),
        extra=_further_segments(metadata),
    )


def _webp(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    icc = fitting_icc(picture.metadata.icc, grey=False)
    return encode_webp(_as_rgb(picture), quality, icc, exif, picture.metadata.xmp)


def _bmp(picture: Picture, _quality: int, _exif: bytes | None) -> bytes:
    return _save(to_eight_bits(picture.frames[0]), "BMP", dpi=picture.metadata.dpi)


def _avif(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    return _avif_or_heif(picture, "AVIF", quality, exif, subsampling="4:4:4")


def _heif(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    load_heif()
    return _avif_or_heif(picture, "HEIF", quality, exif)


def _avif_or_heif(
    picture: Picture, name: Literal["AVIF", "HEIF"], quality: int, exif: bytes | None, **more: str
) -> bytes:
    coloured, metadata = _as_rgb(picture), picture.metadata
    if heif.needs_more_than_pillow(coloured):
        return heif.encode(coloured, name, quality, exif)
    icc = fitting_icc(metadata.icc, grey=False)
    options = {"quality": quality, "icc_profile": icc, "exif": exif, "xmp": metadata.xmp, **more}
    return _save(to_eight_bits(coloured.frames[0]), name, **options)


def _jxl(picture: Picture, quality: int, exif: bytes | None) -> bytes:
    grey = picture.header.channels in FORMATS["JXL"].grey
    return encode_jxl(picture if grey else _as_rgb(picture), quality, exif)


def _further_segments(metadata: Metadata) -> bytes:
    """The segments of a JPEG that Pillow has no option for: IPTC and comments."""
    resources = b"" if metadata.iptc is None else PHOTOSHOP + resources_of(metadata.iptc)
    payloads = [(b"\xff\xed", resources), *((b"\xff\xfe", text) for text in metadata.comments)]
    return b"".join(
        marker + struct.pack(">H", len(payload) + 2) + payload
        for marker, payload in payloads
        if 0 < len(payload) <= JPEG_SEGMENT_BYTES
    )


def _up_to(block: bytes | None, most: int) -> bytes | None:
    return block if block is not None and len(block) <= most else None


def _save(frame: Frame, format_name: str, **options: Any) -> bytes:
    """Pillow's encoder; options that are None are not passed on."""
    flat = frame[..., 0] if frame.shape[2] == 1 else frame
    target = io.BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    Image.fromarray(flat).save(target, format_name, **given)
    return target.getvalue()


def _as_rgb(picture: Picture) -> Picture:
    """The same picture with 3 or 4 channels; its header is left as it is."""
    if picture.header.channels > 2:
        return picture
    frames = tuple(_rgb(frame) for frame in picture.frames)
    return Picture(picture.header, frames, picture.durations_ms, picture.loop, picture.metadata)


def _rgb(frame: Frame) -> Frame:
    order = (0, 0, 0) if frame.shape[2] == 1 else (0, 0, 0, 1)
    return np.ascontiguousarray(frame[..., order])


Encoder = Callable[[Picture, int, bytes | None], bytes]
"""From a result, the quality (0 where the format has none) and EXIF to a file."""

ENCODERS: Mapping[str, Encoder] = {
    "PNG": lambda picture, _quality, exif: encode_png(picture, exif),
    "JPEG": _jpeg,
    "WEBP": _webp,
    "TIFF": lambda picture, _quality, exif: encode_tiff(picture, exif),
    "BMP": _bmp,
    "GIF": lambda picture, _quality, _exif: encode_gif(_as_rgb(picture)),
    "AVIF": _avif,
    "HEIF": _heif,
    "JXL": _jxl,
    "EXR": lambda picture, _quality, _exif: encode_exr(picture),
}
"""What makes the bytes, for each of `FORMATS`."""
