"""A file's bytes -> `Header` or `Picture`; the format comes from the content, never the name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from esc_cli.errors import ReadError, TooLargeError
from esc_cli.files.source import open_source, read_source, reading
from esc_cli.media import bmp, exr, fits, gif, jxl, pillow, png, raw, tiff
from esc_cli.media.metadata import (
    fitting_icc,
    stated_orientation,
    unfit_icc,
    upright,
    upright_exif,
    upright_xmp,
)
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Picture, Truncation
from esc_cli.media.sniff import HEAD_BYTES, sniff
from esc_cli.media.xmp import without_promises

# All frames are in memory at once. Eight times the pixels of the largest still allows animations
# of ordinary length and stops the small file that claims to hold thousands of large frames.
FRAMES_FACTOR = 8
_TURNED_BY_FILE = frozenset(("TIFF", "AVIF", "HEIF", "JXL", "RAW"))  # and not by EXIF alone


def probe(source: bytes | Path, max_pixels: int, allow_truncated: bool = False) -> Header:
    """The header of a picture, without decoding a pixel.

    Raises ReadError (no picture, damaged, cannot be opened), UnsupportedError (refused by name),
    TooLargeError (over `max_pixels` a frame, or `FRAMES_FACTOR` times as many in all frames) and
    MissingExtraError (HEIF without pillow-heif, and others). The error carries the path if there is
    one. `allow_truncated` as in `decode`.
    """
    with open_source(source) as stream, reading(_path(source)):
        return _inspect(stream, max_pixels, Truncation(allow_truncated)).header


def metadata(source: bytes | Path, max_pixels: int, allow_truncated: bool = False) -> Metadata:
    """What stands beside the pixels, as it is in the file; the errors are those of `probe`."""
    with open_source(source) as stream, reading(_path(source)):
        return _inspect(stream, max_pixels, Truncation(allow_truncated)).metadata


def decode(source: bytes | Path, max_pixels: int, allow_truncated: bool = False) -> Picture:
    """Header, pixels and metadata; the header equals that of `probe`, and so do the errors.

    A file that is cut short raises ReadError and is never filled up with grey, unless
    `allow_truncated` says so: then what can be decoded comes with a note.
    """
    truncation = Truncation(allow_truncated)
    content = source if isinstance(source, bytes) else read_source(source)
    with open_source(content) as stream, reading(_path(source)):
        contents = _inspect(stream, max_pixels, truncation)
        header, metadata = contents.header, contents.metadata
        packet, promised = without_promises(metadata.xmp)
        truncation.notes.extend((*contents.notes, *promised))
        if header.format in _TURNED_BY_FILE or stated_orientation(metadata.exif) is not None:
            packet = upright_xmp(packet)  # else nothing heeds XMP, and it is true of the result too
        exif = tiff.exif(content) if header.format == "TIFF" else metadata.exif
        return Picture(
            header,
            tuple(
                _checked(upright(frame, contents.orientation), header)
                for frame in _frames(content, contents, truncation)
            ),
            contents.durations_ms,
            contents.loop,
            replace(metadata, exif=upright_exif(exif), xmp=packet),
            tuple(dict.fromkeys(truncation.notes)),
        )


def _path(source: bytes | Path) -> Path | None:
    return None if isinstance(source, bytes) else source


def _inspect(stream: BinaryIO, max_pixels: int, truncation: Truncation) -> Contents:
    format_name = sniff(stream.read(HEAD_BYTES))
    stream.seek(0, io.SEEK_SET)
    if format_name == "PNG":
        contents = png.inspect(stream, truncation)
    elif format_name == "RAW" or (format_name == "TIFF" and raw.is_raw(stream)):
        contents = raw.inspect(stream, max_pixels, truncation)
    elif format_name == "TIFF":
        contents = tiff.inspect(stream, max_pixels)
    elif format_name == "JXL":
        contents = jxl.inspect(stream, truncation)
    elif format_name in ("EXR", "HDR"):
        contents = exr.inspect(stream, format_name, max_pixels)
    elif format_name == "FITS":
        contents = fits.inspect(stream, max_pixels)
    elif format_name == "GIF":
        contents = _gif_contents(stream, max_pixels, truncation)
    elif format_name == "BMP":
        contents = _bmp_contents(stream, max_pixels, truncation)
    else:
        contents = pillow.inspect(stream, format_name, max_pixels, truncation)
    return _sized(contents, max_pixels)


def _bmp_contents(stream: BinaryIO, max_pixels: int, truncation: Truncation) -> Contents:
    icc, linked = bmp.profile(stream)
    if fields := bmp.bit_fields(stream):
        header = Header("BMP", fields.width, fields.height, len(fields.masks), 8, 1)
        contents = Contents(header, 1, Metadata())
    else:
        contents = pillow.inspect(stream, "BMP", max_pixels, truncation)
    fitting = fitting_icc(icc, grey=contents.header.channels <= 2)
    notes = contents.notes
    if linked:
        notes += ("left out: the name of a file with its colour profile",)
    notes += unfit_icc(icc, fitting)
    return replace(contents, metadata=replace(contents.metadata, icc=fitting), notes=notes)


def _sized(contents: Contents, max_pixels: int) -> Contents:
    if 0 in (contents.header.width, contents.header.height):
        raise ReadError("the picture is damaged: its size is zero")
    check_pixels(contents.header, max_pixels)
    return contents


def _gif_contents(stream: BinaryIO, max_pixels: int, truncation: Truncation) -> Contents:
    blocks = gif.inspect(stream, max_pixels, truncation)
    delays_ms = blocks.delays_ms
    header = Header("GIF", blocks.width, blocks.height, 4 if blocks.alpha else 3, 8, len(delays_ms))
    moving = len(delays_ms) > 1
    beside = blocks.extensions
    icc = fitting_icc(beside.icc, grey=False)
    notes = beside.left_out() + unfit_icc(beside.icc, icc)
    metadata = Metadata(icc=icc, xmp=beside.xmp, comments=tuple(beside.comments))
    plays = beside.plays if moving else None
    return Contents(header, 1, metadata, delays_ms if moving else (), plays, notes=notes)


def check_pixels(header: Header, max_pixels: int) -> None:
    """Raise TooLargeError when one frame, or all together, hold more pixels than allowed."""
    pixels = header.width * header.height
    size = f"{header.width} x {header.height}"
    if pixels > max_pixels:
        what = f"{size} is {pixels:,} pixels, more than the limit of {max_pixels:,}"
        raise TooLargeError(what, advice="raise it with --max-pixels")
    if pixels * header.frames > max_pixels * FRAMES_FACTOR:
        limit = max_pixels * FRAMES_FACTOR
        what = f"{header.frames} frames of {size} hold more pixels than the limit of {limit:,}"
        raise TooLargeError(what, advice="raise it with --max-pixels")


def _frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    if contents.header.format == "PNG":
        return png.frames(content, contents, truncation)
    if contents.header.format == "GIF":
        return gif.frames(content, contents.header, truncation)
    if contents.header.format == "BMP" and (fields := bmp.bit_fields(io.BytesIO(content))):
        return iter((bmp.frame(content, fields, truncation),))
    reader = _READERS.get(contents.header.format, pillow.frames)
    return reader(content, contents, truncation)


_READERS = {
    "TIFF": tiff.frames,
    "RAW": raw.frames,
    "JXL": jxl.frames,
    "EXR": exr.frames,
    "HDR": exr.frames,
    "FITS": fits.frames,
}


def _checked(frame: Frame, header: Header) -> Frame:
    if frame.shape != (header.height, header.width, header.channels):
        raise ReadError("the picture is damaged: its pixels do not fit its header")
    return frame
