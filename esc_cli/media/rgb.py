"""Single 8-bit pictures as arrays, for evaluation and reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from esc_cli.errors import UnsupportedError
from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.floating import displayed_picture
from esc_cli.media.formats import OutputPlan
from esc_cli.media.picture import Header, Metadata, Picture

Pixels = NDArray[np.uint8]
"""(H, W, 3) uint8, R G B order."""


def read_rgb(path: Path, max_pixels: int) -> Pixels:
    """A still 8-bit picture as RGB; grey becomes R = G = B.

    Raises UnsupportedError for 16 bit, transparency and animations, which the protocol does not
    know, and the errors of `decode`.
    """
    picture = decode(path, max_pixels)
    header = picture.header
    if header.bits != 8 or header.has_alpha or header.frames != 1:
        raise UnsupportedError("must be one 8-bit picture without transparency", path)
    frame = picture.frames[0]
    return np.ascontiguousarray(np.broadcast_to(frame, (*frame.shape[:2], 3)))


def read_shown(path: Path, max_pixels: int) -> Pixels:
    """Any picture as a screen shows its first frame: 8 bit, transparency over white.

    Raises the errors of `decode`.
    """
    frame = displayed_picture(decode(path, max_pixels)).frames[0]
    values = frame.astype(np.float32) / (65535 if frame.dtype == np.uint16 else 255)
    if frame.shape[2] in (2, 4):
        alpha = values[..., -1:]
        values = values[..., :-1] * alpha + (1 - alpha)
    shown: Pixels = (values * 255).round().astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))


def encode_rgb(pixels: Pixels, format_name: str = "PNG", quality: int | None = None) -> bytes:
    """The file of an (H, W, 3) picture in a format such as "PNG" or "WEBP"."""
    height, width = pixels.shape[:2]
    header = Header(format_name, width, height, 3, 8, 1)
    # Not `ascontiguousarray`: it keeps the odd strides of sides of one pixel, codecs refuse them.
    plain = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, width, 3)
    picture = Picture(header, (plain,), (), None, Metadata())
    return encode(picture, OutputPlan(format_name, ""), quality)
