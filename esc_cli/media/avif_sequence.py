"""Animated AVIF: the boxes of its track say how long each frame is shown (ISO/IEC 14496-12)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from esc_cli.errors import ReadError
from esc_cli.media.heif_boxes import DEPTHS, Properties, boxes, children

_PICTURES, _SOUND, _BESIDE = b"pict", b"soun", b"auxv"  # handlers of tracks
_FOR_EVER = (2**32 - 1, 2**64 - 1)  # durations of tracks that repeat without an end
_ENTRY_BYTES = 8 + 78  # of a sample entry, before its boxes (12.1.3)
_MOST_FRAMES = 1 << 20


@dataclass(frozen=True)
class Sequence:
    """Delays in milliseconds, one a frame; how often it plays, 0 for ever; boxes of its codec.

    notes: what lies beside its pictures.
    """

    delays_ms: tuple[float, ...]
    plays: int
    properties: Properties
    notes: tuple[str, ...] = ()


def read_sequence(stream: BinaryIO, frames: int) -> Sequence:
    """What the first track of pictures says, which has so many `frames`.

    Raises ReadError where there is no such track.
    """
    stream.seek(0)
    try:
        found = _first_track(stream.read())
    except (KeyError, struct.error, IndexError) as error:
        raise ReadError("the picture is damaged: its track cannot be read") from error
    if found is None or len(found.delays_ms) != frames:
        raise ReadError("the picture is damaged: its frames do not fit their times")
    return found


def _first_track(content: bytes) -> Sequence | None:
    media = [(track, children(track[b"mdia"])) for track in _tracks(content)]
    kinds = [parts[b"hdlr"][8:12] for _, parts in media]
    if _PICTURES not in kinds:
        return None
    found = _sequence(*media[kinds.index(_PICTURES)])
    depths = any(_is_of_depths(parts) for _, parts in media)
    beside = (("its depth map", depths), ("its sound", _SOUND in kinds))
    return replace(found, notes=tuple(f"left out: {what}" for what, there in beside if there))


def _is_of_depths(media: dict[bytes, bytes]) -> bool:
    """Whether a track beside the picture's says so in its entry (ISO/IEC 23008-12, 7.5.3)."""
    if media[b"hdlr"][8:12] != _BESIDE:
        return False
    entry = children(children(media[b"minf"])[b"stbl"])[b"stsd"][8:]
    return any(name in entry for name in DEPTHS)


def _tracks(content: bytes) -> Iterator[dict[bytes, bytes]]:
    movie = children(content)[b"moov"]
    for kind, start, end in boxes(movie):
        if kind == b"trak":
            yield children(movie[start:end])


def _sequence(track: dict[bytes, bytes], media: dict[bytes, bytes]) -> Sequence:
    ticks = _versioned(media[b"mdhd"], 12, 20, ">I")
    table = children(children(media[b"minf"])[b"stbl"])
    lengths = [
        length
        for count, length in struct.iter_unpack(">II", _whole_pairs(table[b"stts"][8:]))
        for length in [length] * min(count, _MOST_FRAMES)
    ]
    entry = table[b"stsd"][8:]
    inside = entry[_ENTRY_BYTES : int.from_bytes(entry[:4], "big")]
    properties = tuple((kind, inside[start:end]) for kind, start, end in boxes(inside))
    if not ticks or len(lengths) > _MOST_FRAMES:
        raise ReadError("the picture is damaged: its track cannot be read")
    delays = tuple(length * 1000 / ticks for length in lengths)
    return Sequence(delays, _plays(track), properties)


def _whole_pairs(table: bytes) -> bytes:
    return table[: len(table) // 8 * 8]


def _versioned(box: bytes, first: int, second: int, form: str) -> int:
    """The number at the offset that the version of a box has it at."""
    return int(struct.unpack_from(form, box, second if box[0] else first)[0])


def _plays(track: dict[bytes, bytes]) -> int:
    """Where an edit list repeats, the track is as long as all repetitions; 0 where none says."""
    edits = children(track.get(b"edts", b"")).get(b"elst", b"")
    if len(edits) < 12:
        return 0
    form = ">Q" if edits[0] else ">I"
    length = int(struct.unpack_from(form, edits, 8)[0])
    head = track[b"tkhd"]
    whole = _versioned(head, 20, 28, ">Q" if head[0] else ">I")
    if not edits[3] & 1:  # it does not repeat
        return 1
    return 0 if whole in _FOR_EVER or not length else max(1, -(-whole // length))
