"""WebP (RFC 9649): the container by hand, pixels by Pillow's libwebp."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from PIL import Image

from esc_cli.errors import TooLargeError
from esc_cli.media.animation import changed_box, on_clock
from esc_cli.media.picture import Frame, Picture, to_eight_bits

_ALPHA, _ICC, _EXIF, _XMP, _ANIMATION = 0x10, 0x20, 0x08, 0x04, 0x02
_OVERWRITE = 0x02  # of a frame: do not blend with the canvas


def timing(stream: BinaryIO) -> tuple[tuple[float, ...], int]:
    """(the delay of every frame in ms, number of plays, 0 for ever); no delays for a still."""
    plays, delays = 0, []
    at = 12
    while len(head := _head(stream, at)) >= 8:
        kind, length = struct.unpack_from("<4sI", head)
        if kind == b"ANIM" and len(head) >= 14:
            (plays,) = struct.unpack_from("<H", head, 12)
        elif kind == b"ANMF" and len(head) >= 24:
            delays.append(float(int.from_bytes(head[20:23], "little")))
        at += 8 + length + length % 2
    return tuple(delays), plays


def stated_size(head: bytes) -> tuple[int, int]:
    """(width, height) that the first 30 bytes of a file state, whatever comes after; 0 for none."""
    kind, head = head[12:16], head.ljust(30, b"\0")
    if kind == b"VP8X":
        width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
        return width, height
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return 0, 0


def check_canvas(stream: BinaryIO, max_pixels: int) -> None:
    """Raise TooLargeError when the canvas that the header states is over `max_pixels`."""
    stream.seek(0)
    width, height = stated_size(stream.read(30))
    stream.seek(0)
    if width * height > max_pixels:
        what = f"{width} x {height} is {width * height:,} pixels, more than the limit of"
        raise TooLargeError(f"{what} {max_pixels:,}", advice="raise it with --max-pixels")


def _head(stream: BinaryIO, at: int) -> bytes:
    stream.seek(at)
    return stream.read(24)


def _split(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    view, at = memoryview(content), 12
    while at + 8 <= len(content):
        kind, length = struct.unpack_from("<4sI", content, at)
        yield kind, view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def encode_webp(
    picture: Picture, quality: int, icc: bytes | None, exif: bytes | None, xmp: bytes | None
) -> bytes:
    """A WebP file; `quality` of 100 is lossless. Frames have 3 or 4 channels.

    Pillow's own animation writer merges equal frames; here every frame stays, with its delay.
    """
    options = {"icc_profile": icc or b"", "exif": exif or b"", "xmp": xmp or b""}
    if len(picture.frames) == 1:
        return _still(picture.frames[0], quality, **options)
    canvas = picture.frames[0].shape
    flags = _ANIMATION | (_ALPHA if canvas[2] == 4 else 0)
    flags |= (_ICC if icc else 0) | (_EXIF if exif else 0) | (_XMP if xmp else 0)
    parts = [_chunk(b"VP8X", struct.pack("<I", flags) + _triple(canvas[1] - 1, canvas[0] - 1))]
    if icc:
        parts.append(_chunk(b"ICCP", icc))
    # A background of transparent black, which players ignore.
    parts.append(_chunk(b"ANIM", struct.pack("<IH", 0, min(picture.loop or 0, 65535))))
    parts += _frames(picture, quality)
    parts += [_chunk(kind, block) for kind, block in ((b"EXIF", exif), (b"XMP ", xmp)) if block]
    body = b"WEBP" + b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _frames(picture: Picture, quality: int) -> Iterator[bytes]:
    delays = on_clock(picture.durations_ms, tick_ms=1, most=2**24 - 1)
    previous = None
    for frame, delay in zip(picture.frames, delays, strict=True):
        box = changed_box(previous, frame, grid=2)  # offsets are stored halved
        image = b"".join(
            _chunk(kind, payload)
            for kind, payload in _split(_still(box.cut(frame), quality))
            if kind in (b"ALPH", b"VP8 ", b"VP8L")
        )
        place = _triple(box.left // 2, box.top // 2, box.width - 1, box.height - 1, delay)
        yield _chunk(b"ANMF", place + bytes([_OVERWRITE]) + image)
        previous = frame


def _still(frame: Frame, quality: int, **options: Any) -> bytes:
    target = io.BytesIO()
    Image.fromarray(to_eight_bits(frame)).save(
        target, "WEBP", quality=quality, lossless=quality == 100, **options
    )
    return target.getvalue()


def _chunk(kind: bytes, payload: bytes | memoryview) -> bytes:
    padding = b"\0" * (len(payload) % 2)
    return b"".join((kind, struct.pack("<I", len(payload)), payload, padding))


def _triple(*numbers: int) -> bytes:
    return b"".join(number.to_bytes(3, "little") for number in numbers)
