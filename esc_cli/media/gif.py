"""GIF (GIF89a specification): the blocks by hand, LZW and the composing of frames by Pillow."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from esc_cli.errors import ReadError
from esc_cli.media.animation import Box, changed_box, on_clock
from esc_cli.media.picture import Frame, Picture, to_eight_bits

_RESTORE_BACKGROUND = 2
_KEEP = 1
_OPAQUE_FROM = 128  # GIF pixels are there or not


@dataclass(frozen=True)
class Contents:
    """What the blocks tell; `plays` counts all plays, 0 for ever."""

    delays_ms: tuple[float, ...]
    plays: int
    alpha: bool


def inspect(stream: BinaryIO) -> Contents:
    """Walk over the blocks without decoding a pixel; ReadError where the file is cut short."""
    size = stream.seek(0, os.SEEK_END)
    stream.seek(10)
    packed = _exactly(stream, 3)[0]
    _skip_table(stream, packed)
    delays: list[float] = []
    plays, alpha, control = 1, False, b"\0\0\0\0"
    # Programs leave the trailer (0x3B) out, so the end of the file ends it as well.
    while (introducer := stream.read(1)) not in (b";", b""):
        if introducer == b"!":
            label, blocks = _exactly(stream, 1)[0], list(_sub_blocks(stream))
            if label == 0xF9 and blocks and len(blocks[0]) >= 4:
                control = blocks[0]
            elif label == 0xFF and blocks:
                plays = _plays(blocks, plays)
        elif introducer == b",":
            alpha |= _shows_through(control, first=not delays)
            delays.append(10.0 * struct.unpack_from("<H", control, 1)[0])
            _skip_image(stream)
            control = b"\0\0\0\0"
        elif stream.tell() < size and not delays:
            raise ReadError("the picture is damaged: unknown GIF block")
        else:
            break  # bytes behind the last picture
    if not delays:
        raise ReadError("the picture is damaged: a GIF without a picture")
    return Contents(tuple(delays), plays, alpha)


def _shows_through(control: bytes, first: bool) -> bool:
    """Whether this frame can leave the canvas transparent.

    Later frames use the transparent colour to keep what is below; on an opaque canvas the result
    is opaque, unless the frame is cleared away afterwards.
    """
    transparent, disposal = control[0] & 1, control[0] >> 2 & 7
    return bool(transparent) and (first or disposal == _RESTORE_BACKGROUND)


def _plays(blocks: list[bytes], before: int) -> int:
    if blocks[0] not in (b"NETSCAPE2.0", b"ANIMEXTS1.0") or len(blocks) < 2:
        return before
    if len(blocks[1]) < 3 or blocks[1][0] & 7 != 1:
        return before
    repeats = int(struct.unpack_from("<H", blocks[1], 1)[0])
    return repeats + 1 if repeats else 0  # the file counts the repeats after the first play


def _skip_image(stream: BinaryIO) -> None:
    _skip_table(stream, _exactly(stream, 9)[8])
    _exactly(stream, 1)  # code size
    for _ in _sub_blocks(stream):
        pass


def _skip_table(stream: BinaryIO, packed: int) -> None:
    if packed & 0x80:
        _exactly(stream, 3 * 2 ** ((packed & 7) + 1))


def _sub_blocks(stream: BinaryIO) -> Iterator[bytes]:
    while length := _exactly(stream, 1)[0]:
        yield _exactly(stream, length)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    block = stream.read(count)
    if len(block) < count:
        raise ReadError("the picture is damaged: the file is cut short")
    return block


def encode_gif(picture: Picture) -> bytes:
    """A GIF of (H, W, 3 or 4) frames: a palette of its own for each, alpha cut at one half.

    A still picture gives a GIF of one frame. Equal frames are not merged.
    """
    frames = [to_eight_bits(frame) for frame in picture.frames]
    seen = [frame[..., 3] >= _OPAQUE_FROM if frame.shape[2] == 4 else None for frame in frames]
    opaque = all(mask is None or mask.all() for mask in seen)
    height, width = frames[0].shape[:2]
    parts = [b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0)]
    if len(frames) > 1 and picture.loop != 1:
        repeats = min((picture.loop or 1) - 1, 65535)
        parts.append(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<H", repeats) + b"\0")
    ticks = on_clock(picture.durations_ms or [0.0], tick_ms=10, most=65535)
    previous = None
    for frame, mask, delay in zip(frames, seen, ticks, strict=True):
        rgb = frame[..., :3]
        # Pixels that turn transparent need a cleared canvas, and that a whole frame.
        box = changed_box(previous, rgb) if opaque else Box(0, 0, width, height)
        parts.append(_frame(box, box.cut(rgb), None if opaque else mask, delay))
        previous = rgb
    return b"".join((*parts, b";"))


def _frame(box: Box, rgb: Frame, mask: NDArray[np.bool_] | None, delay: int) -> bytes:
    from PIL import Image
    from PIL.GifImagePlugin import getdata

    colours = 256 if mask is None else 255
    image = Image.fromarray(rgb)
    chosen = image.quantize(colours, Image.Quantize.MEDIANCUT)
    dithered = image.quantize(palette=chosen, dither=Image.Dither.FLOYDSTEINBERG)
    flags = (_KEEP if mask is None else _RESTORE_BACKGROUND) << 2 | (mask is not None)
    if mask is not None:
        indices = np.where(mask, np.asarray(dithered), 255).astype(np.uint8)
        palette = (dithered.getpalette() or [])[: 255 * 3]
        dithered = Image.fromarray(indices)
        dithered.putpalette(palette + [0] * (768 - len(palette)))
    control = b"!\xf9\x04" + struct.pack("<BHBB", flags, delay, 255, 0)
    return control + b"".join(getdata(dithered, (box.left, box.top), include_color_table=True))
