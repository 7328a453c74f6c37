"""The frames of an animated PNG (PNG specification, third edition, 12.13.3), composed."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from esc_cli.errors import ReadError
from esc_cli.media.picture import Frame, Header, Truncation
from esc_cli.media.png_chunks import SIGNATURE, made, walk

_SHARED = frozenset((b"PLTE", b"tRNS"))
_BACKGROUND, _PREVIOUS = 1, 2
_OVER = 1


@dataclass
class _Part:
    control: bytes
    packed: list[bytes] = field(default_factory=list)


def frames(
    content: bytes, header: Header, decode: Callable[[bytes], Frame], truncation: Truncation
) -> Iterator[Frame]:
    """The (H, W, C) frames; a default image outside the animation is left out.

    `decode` reads a still PNG. Raises ReadError when a frame reaches over the canvas or cannot be
    decoded; where `truncation` allows that, such a one changes nothing, unless all are damaged.
    """
    ihdr, shared, parts = _parts(content)
    canvas = np.zeros((_side(ihdr, 4), _side(ihdr, 0), header.channels), f"u{header.bits // 8}")
    images = 0
    for part in parts[: header.frames]:
        width, height, left, top, _, _, dispose, blend = struct.unpack(
            ">4I2H2B", part.control[4:26]
        )
        if left + width > _side(ihdr, 0) or top + height > _side(ihdr, 4):
            raise ReadError("the picture is damaged: a frame reaches over its canvas")
        start = (b"IHDR", struct.pack(">II", width, height) + ihdr[8:]), *shared
        image = _image(start, part, decode, truncation)
        if dispose == _PREVIOUS and not images:
            dispose = _BACKGROUND
        before, canvas = canvas, canvas.copy()
        box = canvas[top : top + height, left : left + width]
        if image is not None:
            images += 1
            box[...] = _over(box, image) if blend == _OVER and header.has_alpha else image
        yield canvas.copy()
        if dispose == _BACKGROUND:
            box[...] = 0
        elif dispose == _PREVIOUS:
            canvas = before
    if not images:
        raise ReadError("the picture is damaged: no frame of its animation can be decoded")


def _image(
    start: tuple[tuple[bytes, bytes], ...],
    part: _Part,
    decode: Callable[[bytes], Frame],
    truncation: Truncation,
) -> Frame | None:
    """A frame's own pixels, None where there are none and that is allowed."""
    if not part.packed:
        truncation.found("a frame of its animation has no data")
        return None
    chunks = *start, (b"IDAT", b"".join(part.packed)), (b"IEND", b"")
    try:
        return decode(SIGNATURE + b"".join(made(*chunk) for chunk in chunks))
    except ReadError:
        if not truncation.allowed:
            raise
        return None


def _parts(content: bytes) -> tuple[bytes, list[tuple[bytes, bytes]], list[_Part]]:
    """(IHDR, the chunks that all frames share, the frames)."""
    ihdr = b""
    shared: list[tuple[bytes, bytes]] = []
    parts: list[_Part] = []
    for kind, payload in walk(content):
        if kind == b"IHDR":
            ihdr = payload
        elif kind in _SHARED:
            shared.append((kind, payload))
        elif kind == b"fcTL" and len(payload) == 26:
            parts.append(_Part(payload))
        elif parts and kind in (b"IDAT", b"fdAT"):
            parts[-1].packed.append(payload[4:] if kind == b"fdAT" else payload)
    return ihdr, shared, parts


def _side(ihdr: bytes, at: int) -> int:
    return int(struct.unpack_from(">I", ihdr, at)[0])


def _over(below: Frame, above: Frame) -> Frame:
    """Straight alpha over straight alpha, (H, W, 2 or 4) uint8 or uint16, rounded."""
    top = np.iinfo(below.dtype).max
    lower, upper = below.astype(np.float64) / top, above.astype(np.float64) / top
    share = lower[..., -1:] * (1 - upper[..., -1:])
    alpha = upper[..., -1:] + share
    mixed = upper[..., :-1] * upper[..., -1:] + lower[..., :-1] * share
    colour = mixed / np.where(alpha > 0, alpha, 1)
    result: Frame = np.rint(np.concatenate([colour, alpha], axis=-1) * top).astype(below.dtype)
    return result
