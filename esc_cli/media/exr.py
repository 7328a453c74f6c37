"""OpenEXR and Radiance HDR, which hold linear light in floating-point numbers, by OpenImageIO.

Of an OpenEXR file the first part is read, inside its display window, which is what viewers show.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError, WriteError
from esc_cli.media import hdr_runs
from esc_cli.media.floating import light_of
from esc_cli.media.metadata import in_range, upright_size
from esc_cli.media.openimageio import opened, written
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Picture, Truncation

_COLOURS = ("R", "G", "B"), ("Y",)
_CHROMA = frozenset(("RY", "BY"))
_MOST_CHANNELS = 1024
_MOST_PARTS = 1024
_SAMPLES = 4  # of a pixel, at most, where no channel is left out
_ROWS = 64  # that are decoded at once where a file is cut short
# What OpenImageIO tells of the file's layout, and what the result has of its own.
_LAYOUT = frozenset(
    ("compression", "textureformat", "wrapmodes", "Orientation", "name", "view", "multiView")
) | frozenset(("fovcot", "version", "type", "chunkCount", "averageLuminance"))
_LAYOUT_PREFIXES = ("oiio:", "openexr:", "ICCProfile:")


@dataclass(frozen=True)
class _Window:
    """Which channels are the picture, and where the pixels that are stored lie in it.

    channels: numbers of the colours and, last, of opacity. left, top: of the first stored pixel.
    """

    width: int
    height: int
    left: int
    top: int
    channels: tuple[int, ...]


def inspect(stream: BinaryIO, format_name: str, max_pixels: int) -> Contents:
    """Everything but the pixels of an "EXR" or "HDR".

    Raises MissingExtraError without OpenImageIO, UnsupportedError for what is no flat picture in
    RGB or grey, ReadError, and TooLargeError where more is stored than `max_pixels` would take.
    """
    content = stream.read()
    with opened(content, format_name) as file:
        spec = file.spec()
        window = _window(spec)
        _check_allocation(spec, window, max_pixels)
        notes = (*_left_out(spec, window), *_further_parts(file))
    if format_name == "HDR" and hdr_runs.has_further_lines(content):
        notes += ("left out: lines of its header that tell of how it was made",)
    turned = in_range(spec.get_int_attribute("Orientation", 1))
    size = upright_size(window.width, window.height, turned)
    attributes = tuple(
        (one.name, str(one.type), one.value) for one in spec.extra_attribs if _describes(one.name)
    )
    header = Header(format_name, *size, len(window.channels), 32, 1)
    return Contents(header, turned, Metadata(attributes=attributes), notes=notes)


def _describes(name: str) -> bool:
    return name not in _LAYOUT and not name.startswith(_LAYOUT_PREFIXES)


def _window(spec: Any) -> _Window:
    if spec.deep:
        raise UnsupportedError("deep OpenEXR is not supported", advice="flatten it")
    if spec.depth > 1:
        raise UnsupportedError("volumes in OpenEXR are not supported")
    if min(spec.width, spec.height, spec.full_width, spec.full_height) < 1:
        raise ReadError("the picture is damaged: its size is zero")
    left, top = spec.x - spec.full_x, spec.y - spec.full_y
    channels = _channels(tuple(spec.channelnames))
    return _Window(spec.full_width, spec.full_height, left, top, channels)


def _check_allocation(spec: Any, window: _Window, max_pixels: int) -> None:
    """What is decoded follows the data window and the tiles, not what is shown."""
    channels = max(window.channels) + 1 - min(window.channels)
    for name, width, height, samples in (
        ("a data window", spec.width, spec.height, channels),
        ("a tile", spec.tile_width, spec.tile_height, spec.nchannels),
    ):
        if width * height * samples > _SAMPLES * max_pixels or width * height > max_pixels:
            what = f"{name} of {width} x {height} with {samples} channels"
            raise TooLargeError(
                f"{what} is more than the limit of {max_pixels:,} pixels",
                advice="raise it with --max-pixels",
            )


def _channels(names: tuple[str, ...]) -> tuple[int, ...]:
    """The numbers of the channels that are the picture."""
    if len(names) > _MOST_CHANNELS:
        raise UnsupportedError(f"OpenEXR with {len(names)} channels is not supported")
    for colours in _COLOURS:
        if all(name in names for name in colours):
            wanted = (*colours, "A") if "A" in names else colours
            return tuple(names.index(name) for name in wanted)
        if not _CHROMA.isdisjoint(names):  # else a picture in colour would become a grey one
            what = "OpenEXR of luminance and chroma is not supported"
            raise UnsupportedError(what, advice="store it in R, G and B")
    if len(names) == 1:
        return (0,)
    shown = ", ".join(_shown(name) for name in names[:4])
    what = f"OpenEXR without the channels R, G and B, or Y (it has {shown})"
    raise UnsupportedError(f"{what} is not supported")


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:20])


def _left_out(spec: Any, window: _Window) -> tuple[str, ...]:
    notes = []
    further = spec.nchannels - len(window.channels)
    if further:
        notes.append(f"left out: {further} further channel{'s' * (further > 1)}")
    beyond = (
        min(window.left, window.top) < 0
        or window.left + spec.width > window.width
        or window.top + spec.height > window.height
    )
    if beyond:
        notes.append("left out: the pixels outside its display window")
    return tuple(notes)


def _further_parts(file: Any) -> tuple[str, ...]:
    count = 0
    while count < _MOST_PARTS and file.seek_subimage(count + 1, 0):
        count += 1
    return (f"left out: {count} further part{'s' * (count > 1)} of the file",) if count else ()


def frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    """The (H, W, C) float32 picture, not yet turned upright."""
    if contents.header.format == "HDR":
        content = hdr_runs.unpacked(content)
    with opened(content, contents.header.format) as file:
        spec = file.spec()
        window = _window(spec)
        stored = _stored(file, spec, window.channels, truncation)
    yield light_of(_placed(stored, window), truncation, contents.header.has_alpha)


def _stored(file: Any, spec: Any, channels: Sequence[int], truncation: Truncation) -> Frame:
    """The channels (height, width, C) of the data window."""
    first, end = min(channels), max(channels) + 1
    picked = [channel - first for channel in channels]
    pixels = file.read_image(0, 0, first, end, "float")
    if pixels is not None:
        found: Frame = pixels.reshape(spec.height, spec.width, end - first)[..., picked]
        return found
    file.geterror()
    truncation.found("the file is cut short or broken")
    made = np.zeros((spec.height, spec.width, len(channels)), np.float32)
    if spec.tile_width:
        raise ReadError("the picture is damaged: too much of it is missing to decode any")
    for row in range(0, spec.height, _ROWS):
        last = min(row + _ROWS, spec.height)
        rows = file.read_scanlines(0, 0, row + spec.y, last + spec.y, spec.z, first, end, "float")
        if rows is not None:
            made[row:last] = rows.reshape(last - row, spec.width, end - first)[..., picked]
        file.geterror()
    return made


def _placed(stored: Frame, window: _Window) -> Frame:
    """The display window (H, W, C); what no pixel is stored for is 0."""
    height, width = stored.shape[:2]
    if (window.left, window.top, window.width, window.height) == (0, 0, width, height):
        return stored
    whole = np.zeros((window.height, window.width, stored.shape[2]), np.float32)
    rows = _overlap(window.top, height, window.height)
    columns = _overlap(window.left, width, window.width)
    whole[rows[0], columns[0]] = stored[rows[1], columns[1]]
    return whole


def _overlap(start: int, length: int, whole: int) -> tuple[slice, slice]:
    """Of a stretch that lies at `start` in a whole: (where in the whole, what of the stretch)."""
    first, last = max(start, 0), max(min(start + length, whole), start, 0)
    return slice(first, last), slice(first - start, last - start)


def encode_exr(picture: Picture) -> bytes:
    """An OpenEXR file of 32-bit floats, deflated. Raises WriteError for a colour profile."""
    metadata = picture.metadata
    if metadata.icc is not None:  # its numbers mean nothing without it
        what = "OpenEXR does not hold its colour profile"
        raise WriteError(what, advice="use --format tiff")
    # Without a date of its own the writer would put in that of today.
    first = [("compression", "string", "zip"), ("DateTime", "string", "")]
    return written(picture.frames[0], "EXR", [*first, *metadata.attributes])
