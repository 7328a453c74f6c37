"""The sample aspect ratio in Matroska, which PyAV gives its muxer no way to state.

The muxer writes DisplayWidth and DisplayHeight (RFC 9559, section 5.1.4.1.28) only for streams that
state their ratio or are stereoscopic. So the track is called stereoscopic while the header is
written; afterwards the two numbers are set and the mode of stereo becomes void, in the same bytes.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

from esc_cli.errors import WriteError

PLACEHOLDER = ("stereo_mode", "left_right")
"""The tag of the stream that makes room."""

_SEGMENT, _TRACKS, _ENTRY, _VIDEO = 0x18538067, 0x1654AE6B, 0xAE, 0xE0
_STEREO, _WIDTH, _HEIGHT, _CRC = 0x53B8, 0x54B0, 0x54BA, 0xBF
_VOID = b"\xec\x82\0\0"  # as long as the element of the mode
_HEAD_BYTES = 1 << 24


@dataclass(frozen=True)
class _Element:
    """An EBML element: where it, its content and its end lie."""

    id: int
    at: int
    content: int
    end: int


def state_aspect(file: BinaryIO, width: int, height: int, sar: Fraction) -> None:
    """Write the ratio into the first video track of a whole file that made room for it.

    `file` is open for reading and writing. Raises WriteError when the room is not there.
    """
    file.seek(0)
    head = bytearray(file.read(_HEAD_BYTES))
    segment = _first(_children(head, 0, len(head)), _SEGMENT)
    tracks = _first(_children(head, segment.content, segment.end), _TRACKS)
    video = next(_videos(head, tracks), None)
    if video is None:
        raise WriteError("Matroska's muxer wrote no video track")
    fields = {one.id: one for one in _children(head, video.content, video.end)}
    if not {_STEREO, _WIDTH, _HEIGHT} <= fields.keys():
        raise WriteError("Matroska's muxer left no room for the sample aspect ratio")
    stereo = fields[_STEREO]
    head[stereo.at : stereo.end] = _VOID
    room = fields[_WIDTH], fields[_HEIGHT]
    shown = display_size(width, height, sar, [one.end - one.content for one in room])
    for one, value in zip(room, shown, strict=True):
        head[one.content : one.end] = value.to_bytes(one.end - one.content, "big")
    _renew_checksum(head, tracks)
    file.seek(tracks.at)
    file.write(head[tracks.at : tracks.end])
    file.seek(0, 2)


def display_size(width: int, height: int, sar: Fraction, room: list[int]) -> tuple[int, int]:
    """The (width, height) as shown, in exactly the ratio, near the size of the frames.

    room: bytes for each. Where even the smallest exact pair needs more, the nearest that fits.
    """
    ratio = Fraction(width, height) * sar
    most = [256**count - 1 for count in room]
    if ratio.numerator > most[0] or ratio.denominator > most[1]:
        ratio = ratio.limit_denominator(min(most[1], max(1, int(most[0] / ratio))))
    wide, high = ratio.numerator, ratio.denominator
    times = max(1, min(height // high, most[0] // wide, most[1] // high))
    return wide * times, high * times


def _children(content: bytearray, start: int, end: int) -> Iterator[_Element]:
    at = start
    while at < min(end, len(content)):
        name, after = _number(content, at, keep_marker=True)
        length, inside = _number(content, after, keep_marker=False)
        own_end = min(inside + length, len(content))
        yield _Element(name, at, inside, own_end)
        at = own_end


def _number(content: bytearray, at: int, *, keep_marker: bool) -> tuple[int, int]:
    """(an EBML number of variable length, where it ends)."""
    count = 9 - content[at].bit_length()
    value = int.from_bytes(content[at : at + count], "big")
    return (value if keep_marker else value & ((1 << 7 * count) - 1)), at + count


def _first(elements: Iterator[_Element], name: int) -> _Element:
    found = next((one for one in elements if one.id == name), None)
    if found is None:
        raise WriteError("Matroska's muxer wrote no header that esc knows")
    return found


def _videos(head: bytearray, tracks: _Element) -> Iterator[_Element]:
    for entry in _children(head, tracks.content, tracks.end):
        if entry.id == _ENTRY:
            inside = _children(head, entry.content, entry.end)
            yield from (one for one in inside if one.id == _VIDEO and _has_room(head, one))


def _has_room(head: bytearray, video: _Element) -> bool:
    return any(one.id == _STEREO for one in _children(head, video.content, video.end))


def _renew_checksum(head: bytearray, tracks: _Element) -> None:
    """Matroska's CRC-32 comes first and covers what follows it."""
    first = next(_children(head, tracks.content, tracks.end), None)
    if first is not None and first.id == _CRC:
        sum_ = zlib.crc32(bytes(head[first.end : tracks.end]))
        head[first.content : first.end] = sum_.to_bytes(4, "little")
