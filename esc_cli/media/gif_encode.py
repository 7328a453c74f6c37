"""Writing GIF (GIF89a specification): palettes and LZW by Pillow, the blocks by hand."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from esc_cli.media.animation import Box, changed_box, on_clock
from esc_cli.media.picture import Frame, Picture, to_eight_bits

_RESTORE_BACKGROUND = 2
_KEEP = 1
_OPAQUE_FROM = 128  # GIF pixels are there or not


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
    parts += [_comment(comment) for comment in picture.metadata.comments]
    ticks = on_clock(picture.durations_ms or [0.0], tick_ms=10, most=65535)
    previous = None
    for frame, mask, delay in zip(frames, seen, ticks, strict=True):
        rgb = frame[..., :3]
        # Pixels that turn transparent need a cleared canvas, and that a whole frame.
        box = changed_box(previous, rgb) if opaque else Box(0, 0, width, height)
        parts.append(_frame(box, box.cut(rgb), None if opaque else mask, delay))
        previous = rgb
    return b"".join((*parts, b";"))


def _comment(comment: bytes) -> bytes:
    blocks = (comment[at : at + 255] for at in range(0, len(comment), 255))
    return b"!\xfe" + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


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
