"""Reading GIF (GIF89a specification): the blocks and the composing by hand, LZW by Pillow."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from esc_cli.errors import ReadError, TooLargeError
from esc_cli.media.animation import Box
from esc_cli.media.gif_extensions import Extensions
from esc_cli.media.picture import Frame, Header, Truncation

_RESTORE_BACKGROUND, _RESTORE_PREVIOUS = 2, 3
_NO_LIMIT = 2**32
_IMAGE_HEAD_BYTES = 9 + 1


@dataclass(frozen=True)
class Image:
    """One image of the file, its numbers as stored; `clear` is the index that shows through."""

    box: Box
    interlaced: bool
    table: bytes
    code_size: int
    clear: int | None
    disposal: int
    delay_ms: float
    packed: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class Contents:
    """What the blocks tell, sizes in pixels."""

    width: int
    height: int
    images: tuple[Image, ...]
    extensions: Extensions

    @property
    def delays_ms(self) -> tuple[float, ...]:
        """The delay of each image."""
        return tuple(image.delay_ms for image in self.images)

    @property
    def alpha(self) -> bool:
        """Whether the canvas can show through in any frame."""
        whole = Box(0, 0, self.width, self.height)
        first, *later = self.images
        if not _covers(first, whole):
            return True
        # An area that was cleared is transparent until something covers it.
        pairs = zip(self.images, later, strict=False)
        return any(_clears(before, before is first) and not _covers(after, before.box)
                   for before, after in pairs)  # fmt: skip


def _clears(image: Image, is_first: bool) -> bool:
    restored = is_first and image.disposal == _RESTORE_PREVIOUS
    return restored or image.disposal == _RESTORE_BACKGROUND


def _covers(image: Image, box: Box) -> bool:
    inner = image.box
    return (
        image.clear is None
        and inner.left <= box.left
        and inner.top <= box.top
        and inner.left + inner.width >= box.left + box.width
        and inner.top + inner.height >= box.top + box.height
    )


def inspect(stream: BinaryIO, max_pixels: int, truncation: Truncation) -> Contents:
    """Walk over the blocks without decoding a pixel.

    Raises ReadError where the file is cut short, unless `truncation` allows that behind the head
    of the first image, and TooLargeError where an image takes more pixels than allowed, also
    outside the canvas.
    """
    size = stream.seek(0, os.SEEK_END)
    stream.seek(6)
    width, height, packed = struct.unpack("<HHBxx", _exactly(stream, 7))
    palette = _table(stream, packed)
    images: list[Image] = []
    extensions, control = Extensions(), b"\0\0\0\0"
    # Programs leave the trailer (0x3B) out, so the end of the file ends it as well.
    while (introducer := stream.read(1)) not in (b";", b""):
        if introducer == b"!":
            label = (stream.read(1) or b"\0")[0]
            start, blocks = stream.tell(), list(_sub_blocks(stream, truncation))
            if label == 0xF9 and blocks and len(blocks[0]) >= 4:
                control = blocks[0]
            else:
                extensions.add(label, blocks, _stored(stream, start))
        elif introducer == b",":
            if images and size - stream.tell() < _IMAGE_HEAD_BYTES:
                truncation.found()
                break
            images.append(_image(stream, control, palette, truncation))
            _check(images[-1].box, max_pixels)
            control = b"\0\0\0\0"
        elif stream.tell() < size and not images:
            raise ReadError("the picture is damaged: unknown GIF block")
        else:
            break  # bytes behind the last picture
    width, height = _canvas(width, height, images)
    return Contents(width, height, tuple(images), extensions)


def _stored(stream: BinaryIO, start: int) -> bytes:
    """The bytes from `start` to where the stream stands."""
    end = stream.tell()
    stream.seek(start)
    return stream.read(end - start)


def _canvas(width: int, height: int, images: list[Image]) -> tuple[int, int]:
    """The size of the canvas: that of the first image where the file leaves it out."""
    if not images:
        raise ReadError("the picture is damaged: a GIF without a picture")
    first = images[0].box
    return width or first.left + first.width, height or first.top + first.height


def _image(stream: BinaryIO, control: bytes, palette: bytes, truncation: Truncation) -> Image:
    left, top, width, height, packed = struct.unpack("<HHHHB", _exactly(stream, 9))
    table = _table(stream, packed) or palette
    code_size = _exactly(stream, 1)[0]
    blocks = tuple(_sub_blocks(stream, truncation))
    return Image(
        Box(left, top, width, height),
        bool(packed & 0x40),
        table,
        code_size,
        control[3] if control[0] & 1 else None,
        control[0] >> 2 & 7,
        10.0 * struct.unpack_from("<H", control, 1)[0],
        blocks,
    )


def _check(box: Box, max_pixels: int) -> None:
    if box.width * box.height > max_pixels:
        what = f"an image of {box.width} x {box.height} is more than {max_pixels:,} pixels"
        raise TooLargeError(what, advice="raise it with --max-pixels")


def frames(content: bytes, header: Header, truncation: Truncation) -> Iterator[Frame]:
    """The composed (H, W, 3 or 4) frames, as browsers show them.

    What no image covers or what one clears is transparent, and black; images end at the canvas.
    """
    canvas: Frame = np.zeros((header.height, header.width, 4), np.uint8)
    # The header is that of `inspect`, which had the limit.
    for image in inspect(io.BytesIO(content), _NO_LIMIT, truncation).images:
        before = canvas.copy() if image.disposal == _RESTORE_PREVIOUS else canvas
        canvas = canvas.copy()
        part = canvas[image.box.top :, image.box.left :][: image.box.height, : image.box.width]
        if part.size:
            pixels, seen = _coloured(image, part.shape, truncation)
            part[seen] = pixels[seen]
        yield canvas[..., :3].copy() if header.channels == 3 else canvas.copy()
        if image.disposal == _RESTORE_BACKGROUND:
            part[...] = 0
        elif image.disposal == _RESTORE_PREVIOUS:
            canvas = before


def _coloured(
    image: Image, shape: tuple[int, ...], truncation: Truncation
) -> tuple[Frame, NDArray[np.bool_]]:
    """(the first rows and columns in colour, which of them are there)."""
    try:
        indices = _indices(image, image.packed)
        there = np.ones_like(indices, dtype=bool)
    except OSError:
        truncation.found("the file is cut short or broken")
        zeros = bytes(2 * image.box.width * image.box.height + 2)
        filled = (zeros[at : at + 255] for at in range(0, len(zeros), 255))
        indices = _indices(image, (*image.packed, *filled))
        there = _in_front_of_zeros(indices, image.interlaced)
    indices, there = (plane[: shape[0], : shape[1]] for plane in (indices, there))
    table = np.frombuffer(image.table[:768].ljust(768, b"\0"), np.uint8).reshape(256, 3)
    if not image.table:
        table = np.arange(256, dtype=np.uint8)[:, None].repeat(3, axis=1)
    colours = np.concatenate([table, np.full((256, 1), 255, np.uint8)], axis=1)
    return colours[indices], there & (indices != (-1 if image.clear is None else image.clear))


def _in_front_of_zeros(indices: Frame, interlaced: bool) -> NDArray[np.bool_]:
    """Which (H, W) indices stand before the zeros at the end, in the order of the file."""
    rows = np.arange(len(indices))
    if interlaced:
        rows = np.concatenate([rows[0::8], rows[4::8], rows[2::4], rows[1::2]])
    end = np.flatnonzero(indices[rows]).max(initial=-1) + 1
    there = np.empty(indices.shape, bool)
    there[rows] = (np.arange(indices.size) < end).reshape(indices.shape)
    return there


def _indices(image: Image, packed: tuple[bytes, ...]) -> Frame:
    """(H, W) indices; OSError where too few are packed."""
    from PIL import Image as Pillow

    box = image.box
    screen = struct.pack("<HHBBB", box.width, box.height, 0, 0, 0)
    place = struct.pack("<HHHHB", 0, 0, box.width, box.height, 0x40 * image.interlaced)
    blocks = (bytes([len(block)]) + block for block in packed)
    parts = b"GIF89a", screen, b",", place, bytes([image.code_size]), *blocks, b"\0;"
    # Without a colour table Pillow gives the indices themselves.
    with Pillow.open(io.BytesIO(b"".join(parts)), formats=("GIF",)) as opened:
        return np.asarray(opened)


def _table(stream: BinaryIO, packed: int) -> bytes:
    return _exactly(stream, 3 * 2 ** ((packed & 7) + 1)) if packed & 0x80 else b""


def _sub_blocks(stream: BinaryIO, truncation: Truncation) -> Iterator[bytes]:
    while (length := stream.read(1)) != b"\0":
        block = stream.read(length[0]) if length else b""
        if len(block) < (length or b"\1")[0]:
            truncation.found()
            if block:
                yield block
            return
        yield block


def _exactly(stream: BinaryIO, count: int) -> bytes:
    block = stream.read(count)
    if len(block) < count:
        raise ReadError("the picture is damaged: the file is cut short")
    return block
