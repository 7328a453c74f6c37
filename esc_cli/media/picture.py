"""What a picture is between its file and the network: plain values, no codec."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from esc_cli.errors import ReadError


@dataclass(frozen=True)
class Contents:
    """A file's header and metadata.

    `orientation` (1 to 8) is what the reader's frames still need to be upright; `header` already
    counts it in. `durations_ms` and `loop` are as in `Picture`. `moving`: the frames, even a single
    one, lie beside a default image that is none of them. `notes` say what the reader leaves out.
    """

    header: Header
    orientation: int
    metadata: Metadata
    durations_ms: tuple[float, ...] = ()
    loop: int | None = None
    moving: bool = False
    notes: tuple[str, ...] = ()


Frame: TypeAlias = NDArray[Any]
"""One (H, W, C) picture of uint8 or uint16, R G B order, straight alpha; or of float32.

float32: finite, linear light or whatever the file has, 1 is white, colour multiplied by alpha.
C-contiguous as decoded; results on their way to `encode` need not be.
"""


@dataclass(frozen=True, slots=True)
class Header:
    """What the header alone tells.

    `width` and `height` are upright pixels: the orientation that EXIF asks for is applied.
    `channels` counts after normalisation: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    `bits` is 8 or 16 per channel, 32 for floating-point samples. `frames` counts those of an
    animation or the pages of a TIFF.
    `coded_bits`: what the file has per channel where that lies between, 10 or 12.
    """

    format: str
    width: int
    height: int
    channels: int
    bits: int
    frames: int
    coded_bits: int | None = None

    @property
    def has_alpha(self) -> bool:
        """Whether the last channel is opacity."""
        return self.channels in (2, 4)


@lru_cache(maxsize=4096)
def held_once(header: Header) -> Header:
    """The first that equals it: many pictures of a batch have the same."""
    return header


@dataclass(frozen=True)
class Metadata:
    """What travels beside the pixels, as raw blocks.

    `exif` is a TIFF structure without the ``Exif\\0\\0`` prefix, its orientation reset to 1.
    `dpi` is (horizontal, vertical) dots per inch. `png_colour` holds the (type, payload) of the
    PNG chunks that define colour besides ICC: cICP, gAMA, cHRM, sRGB, mDCV and cLLI; `png_text`
    those of its tEXt, zTXt and iTXt in their order, XMP and raw profiles excepted. `iptc` is the
    bare record, `comments` are those of JPEG and GIF, in whatever encoding they have.
    `background` is the colour that a PNG is to be shown upon, one grey level or three of R, G and
    B, of 16 bits; `png_time` the payload of its tIME.
    `attributes` are those of OpenEXR and Radiance, as (name, type as text, value) of OpenImageIO.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    png_colour: tuple[tuple[bytes, bytes], ...] = ()
    png_text: tuple[tuple[bytes, bytes], ...] = ()
    background: tuple[int, ...] = ()
    png_time: bytes | None = None
    iptc: bytes | None = None
    comments: tuple[bytes, ...] = ()
    attributes: tuple[tuple[str, str, Any], ...] = ()


@dataclass(frozen=True)
class Picture:
    """A decoded file: every frame upright, of one size and one type.

    `frames` are (H, W, C), see `Frame`. `durations_ms` has one delay per frame of an animation
    and is empty for stills and for the pages of a TIFF. `loop` is how often an animation plays,
    0 for ever, None for what is no animation. `notes` say what a user should know of the decoding.
    """

    header: Header
    frames: tuple[Frame, ...]
    durations_ms: tuple[float, ...]
    loop: int | None
    metadata: Metadata
    notes: tuple[str, ...] = ()


_EMPTY = ": what is missing is empty"


@dataclass
class Truncation:
    """What a reader does about missing data: an error, or a note where that is `allowed`."""

    allowed: bool = False
    notes: list[str] = field(default_factory=list)

    def found(self, what: str = "the file is cut short") -> None:
        """Raise ReadError with `what`, or note it."""
        if not self.allowed:
            advice = "--allow-truncated keeps what can be decoded"
            raise ReadError(f"the picture is damaged: {what}", advice=advice)
        if not any(note.endswith(_EMPTY) for note in self.notes):
            self.notes.append(what + _EMPTY)


def full_range(frame: Frame, bits: int) -> Frame:
    """Whole numbers of `bits`, up to 16, spread over all of 8 or 16 bits, rounded to nearest."""
    kind, top = (np.uint8, 255) if bits <= 8 else (np.uint16, 65535)
    if bits in (8, 16):
        return np.ascontiguousarray(frame)
    most = 2**bits - 1
    spread: Frame = ((frame.astype(np.uint32) * top + most // 2) // most).astype(kind)
    return spread


def straight(frame: Frame) -> Frame:
    """Colour multiplied by alpha divided by it, rounded, whole numbers; clear pixels turn black."""
    top = int(np.iinfo(frame.dtype).max)
    alpha = frame[..., -1:].astype(np.uint64)
    colour = (frame[..., :-1].astype(np.uint64) * top + alpha // 2) // np.maximum(alpha, 1)
    return np.concatenate([np.minimum(colour, top).astype(frame.dtype), frame[..., -1:]], axis=-1)


def to_eight_bits(frame: Frame) -> Frame:
    """The same picture in uint8; uint16 is scaled by 255 / 65535 and rounded to nearest."""
    if frame.dtype == np.uint8:
        return frame
    rounded: Frame = ((frame.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    return rounded
