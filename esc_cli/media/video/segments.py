"""Finished segments of an encode on disk: packets with exact timestamps, whole or not at all.

A file is one line of JSON (codec, headers), then for each packet its PTS and duration (signed 64
bits), whether it is a key frame (8 bits), its length, that of what lies beside it (32 bits each),
and both, all little-endian.
Containers would round the timestamps; this does not.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from esc_cli.errors import ReadError
from esc_cli.files.atomic import atomic_file
from esc_cli.media.video.encoder import StoredPacket

_RECORD = struct.Struct("<qqBII")


@dataclass(frozen=True)
class SegmentState:
    """A finished segment: its number, frames, timestamps of the first and last, digest, size."""

    number: int
    frames: int
    first_pts: int
    last_pts: int
    sha256: str
    size: int

    def path(self, folder: Path) -> Path:
        """Its file."""
        return segment_path(folder, self.number)

    def stands(self, folder: Path) -> bool:
        """Whether the file is there and whole."""
        try:
            content = self.path(folder).read_bytes()
        except OSError:
            return False
        return len(content) == self.size and hashlib.sha256(content).hexdigest() == self.sha256


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:06d}.segment"


class _Hashing:
    """Writes and digests at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.digest, self.size = stream, hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        self.stream.write(block)
        self.digest.update(block)
        self.size += len(block)


def write_segment(
    folder: Path, number: int, headers: bytes, packets: Iterable[StoredPacket]
) -> SegmentState:
    """Write a segment, atomically; `packets` may be computed on the way.

    Raises DiskError and WriteError, and what `packets` raises.
    """
    times: list[int] = []
    path = segment_path(folder, number)
    with atomic_file(path) as part:
        target = _Hashing(part.stream)
        target.write(json.dumps({"headers": headers.hex()}).encode("ascii") + b"\n")
        for packet in packets:
            lengths = len(packet.payload), len(packet.beside)
            head = _RECORD.pack(packet.pts, packet.duration, packet.key, *lengths)
            target.write(head + packet.payload + packet.beside)
            times.append(packet.pts)
    first, last = (min(times), max(times)) if times else (0, 0)
    return SegmentState(number, len(times), first, last, target.digest.hexdigest(), target.size)


def read_segment(path: Path) -> tuple[bytes, Iterator[StoredPacket]]:
    """(headers, packets in the order in which they are decoded). Raises ReadError."""
    try:
        stream = path.open("rb")
        facts: dict[str, Any] = json.loads(stream.readline())
        return bytes.fromhex(facts["headers"]), _packets(path, stream)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(f"the segment cannot be read: {error}", path) from error


def _packets(path: Path, stream: BinaryIO) -> Iterator[StoredPacket]:
    with stream:
        while head := stream.read(_RECORD.size):
            if len(head) < _RECORD.size:
                raise ReadError("the segment is cut short", path)
            pts, duration, key, *lengths = _RECORD.unpack(head)
            payload, beside = (stream.read(length) for length in lengths)
            if len(payload) + len(beside) < sum(lengths):
                raise ReadError("the segment is cut short", path)
            yield StoredPacket(pts, duration, bool(key), payload, beside)
