"""FITS (FITS standard, 4.0), by astropy: the first picture of a file, grey or three planes as RGB.

Rows are stored from the bottom up, which is how astronomers' viewers show them.
"""

from __future__ import annotations

import io
import math
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError
from esc_cli.media.floating import light_of
from esc_cli.media.formats import load_fits
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Truncation

_RGB = 3
_MOST_PARTS = 1024
_MOST_BYTES = 8  # of a number
_BLOCK = 2880  # bytes that files are filled up to a multiple of
_TILES = frozenset(("COMPRESSED_DATA", "GZIP_COMPRESSED_DATA"))
_GZIP = b"\x1f\x8b"
_MOST_AXES = 10
_EXACT = (8, 16, -32)  # BITPIX of numbers that float32 holds as they are


def inspect(stream: BinaryIO, max_pixels: int) -> Contents:
    """Everything but the pixels.

    Raises MissingExtraError without astropy, UnsupportedError where no part is a picture, ReadError
    and TooLargeError.
    """
    with _parts(stream.read()) as parts:
        number = _first_picture(parts)
        part, further = parts[number], len(parts) - 1 - number
        planes, height, width = _shape(part)
        bits = int(part.header.get("BITPIX", 0))
    if width * height > max_pixels:
        what = f"{width} x {height} is more than the limit of {max_pixels:,} pixels"
        raise TooLargeError(what, advice="raise it with --max-pixels")
    notes = ["left out: the header of FITS"]
    if further:
        notes.append(f"left out: {further} further part{'s' * (further > 1)} of the file")
    if bits not in _EXACT:
        notes.append(f"its {abs(bits)} bits per sample become floating-point numbers of 32")
    return Contents(Header("FITS", width, height, planes, 32, 1), 1, Metadata(), notes=tuple(notes))


@contextmanager
def _parts(content: bytes) -> Iterator[Any]:
    """The list of the parts (HDUs); what astropy raises becomes ReadError."""
    fits = load_fits()
    warnings.filterwarnings("ignore", module=r"astropy\.")
    try:
        with fits.open(io.BytesIO(content), lazy_load_hdus=True, memmap=False) as parts:
            yield parts
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ReadError("the picture is damaged: its data cannot be decoded") from error
    except fits.VerifyError as error:
        raise ReadError("the picture is damaged: its header cannot be read") from error


def _first_picture(parts: Any) -> int:
    seen = []
    for number in range(_MOST_PARTS):
        try:
            part = parts[number]
        except IndexError:
            break
        if part.is_image and (shape := _sides(part)):
            if len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, _RGB)):
                return number
            seen.append(" x ".join(map(str, shape[::-1])))
    what = f"FITS of {seen[0]}" if seen else "FITS without a picture"
    raise UnsupportedError(f"{what} is not supported")


def _sides(part: Any) -> tuple[int, ...]:
    """The lengths of its axes, the slowest first; without those of one at the front."""
    sides = tuple(int(side) for side in part.shape)
    if not sides or min(sides) < 1:
        return ()
    while len(sides) > 2 and sides[0] == 1:
        sides = sides[1:]
    return sides if len(sides) > 1 else ()


def _shape(part: Any) -> tuple[int, int, int]:
    """(planes, height, width)."""
    sides = _sides(part)
    return (sides[0] if len(sides) == 3 else 1), sides[-2], sides[-1]


def frames(
    content: bytes,
    contents: Contents,  # noqa: ARG001 - as every reader
    truncation: Truncation,
) -> Iterator[Frame]:
    """The (H, W, 1 or 3) float32 picture, its numbers scaled as BSCALE and BZERO say."""
    content = _whole(content, truncation)
    with _parts(content) as parts:
        number = _first_picture(parts)
        part = parts[number]
        if isinstance(part, load_fits().CompImageHDU):
            _check_tiles(content, number)
        planes, height, width = _shape(part)
        samples = np.asarray(part.data).reshape(planes, height, width)
        frame = light_of(samples[:, ::-1].transpose(1, 2, 0), truncation, has_alpha=False)
    yield frame


def _whole(content: bytes, truncation: Truncation) -> bytes:
    """The file, filled up with zeros where the picture ends too early and that is allowed."""
    with _parts(content) as parts:
        part = parts[_first_picture(parts)]
        place = part.fileinfo()
        # Of a compressed picture the size is that of the samples. Padding may be missing.
        packed = isinstance(part, load_fits().CompImageHDU)
        end = place["datLoc"] + (place["datSpan"] - _BLOCK + 1 if packed else part.size)
        most = len(content) + _MOST_BYTES * math.prod(_shape(part))
    if end <= len(content):
        return content
    truncation.found()
    if end > most:
        raise ReadError("the picture is damaged: too much of it is missing to decode any")
    return content.ljust(end, b"\0")


def _check_tiles(content: bytes, number: int) -> None:
    """Raise ReadError where a gzip of a compressed picture holds more than the whole picture.

    astropy unpacks each of them whole before it looks.
    """
    fits = load_fits()
    with fits.open(io.BytesIO(content), memmap=False, disable_image_compression=True) as parts:
        table = parts[number]
        sides = [int(table.header.get(f"ZNAXIS{at}", 1)) for at in range(1, _MOST_AXES)]
        most = math.prod(sides) * _MOST_BYTES + _BLOCK
        for name in _TILES.intersection(table.columns.names):
            for row in range(len(table.data)):
                packed = bytes(np.asarray(table.data[name][row]).view(np.uint8))
                if packed.startswith(_GZIP) and _holds_more(packed, most):
                    raise ReadError(
                        "the picture is damaged: a tile unpacks to more than the picture has"
                    )


def _holds_more(packed: bytes, most: int) -> bool:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        return len(unpacker.decompress(packed, most + 1)) > most
    except zlib.error:
        return False  # of which astropy tells
