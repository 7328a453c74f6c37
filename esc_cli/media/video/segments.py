"""Finished parts of a video on disk: packets with exact timestamps, whole or not at all.

SEGMENT is a part of the result, STEP one of frames that are still to be encoded, without a loss.
A file is one line of JSON (codec, headers), then for each packet its PTS and duration (signed 64
bits), whether it is a key frame (8 bits), its length, that of what lies beside it (32 bits each),
and both, all little-endian.
Containers would round the timestamps; this does not.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from esc_cli.errors import ReadError
from esc_cli.files.atomic import atomic_file
from esc_cli.files.digest import has_content
from esc_cli.media.video.encoder import StoredPacket

_RECORD = struct.Struct("<qqBII")
SEGMENT, STEP = "segment", "step"


@dataclass(frozen=True)
class SegmentState:
    """A finished part: its number, frames, timestamps of the first and last, digest, size, kind."""

    number: int
    frames: int
    first_pts: int
    last_pts: int
    sha256: str
    size: int
    kind: str = SEGMENT

    def path(self, folder: Path) -> Path:
        """Its file."""
        return _path(folder, self.number, self.kind)

    def stands(self, folder: Path) -> bool:
        """Whether the file is there and whole."""
        return has_content(self.path(folder), self.size, self.sha256)


def _path(folder: Path, number: int, kind: str) -> Path:
    return folder / f"{number:06d}.{kind}"


class _Hashing:
    """Writes and digests at once."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream, self.digest, self.size = stream, hashlib.sha256(), 0

    def write(self, block: bytes) -> None:
        self.stream.write(block)
        self.digest.update(block)
        self.size += len(block)


def write_segment(
    folder: Path,
    number: int,
    headers: bytes,
    packets: Iterable[StoredPacket],
    kind: str = SEGMENT,
) -> SegmentState:
    """Write a part, atomically; `packets` may be computed on the way.

    Raises DiskError and WriteError, and what `packets` raises.
    """
    times: list[int] = []
    path = _path(folder, number, kind)
    with atomic_file(path) as part:
        target = _Hashing(part.stream)
        target.write(json.dumps({"headers": headers.hex()}).encode("ascii") + b"\n")
        for packet in packets:
            lengths = len(packet.payload), len(packet.beside)
            head = _RECORD.pack(packet.pts, packet.duration, packet.key, *lengths)
            target.write(head + packet.payload + packet.beside)
            times.append(packet.pts)
    first, last = (min(times), max(times)) if times else (0, 0)
    digest = target.digest.hexdigest()
    return SegmentState(number, len(times), first, last, digest, target.size, kind)


def read_segment(path: Path) -> tuple[bytes, Iterator[StoredPacket]]:
    """(headers, packets in the order in which they are decoded). Raises ReadError."""
    try:
        stream = path.open("rb")
        facts: dict[str, Any] = json.loads(stream.readline())
        return bytes.fromhex(facts["headers"]), _packets(path, stream)
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(f"the segment cannot be read: {error}", path) from error


def read_pts(path: Path) -> list[int]:
    """The timestamps of a segment's packets in the order of decoding. Raises ReadError."""
    pts = []
    try:
        with path.open("rb") as stream:
            stream.readline()
            while len(head := stream.read(_RECORD.size)) == _RECORD.size:
                time, _, _, *lengths = _RECORD.unpack(head)
                pts.append(time)
                stream.seek(sum(lengths), os.SEEK_CUR)
    except OSError as error:
        raise ReadError(f"the segment cannot be read: {error}", path) from error
    return pts


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
