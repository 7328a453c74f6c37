"""Camera raw pictures (DNG, CR2, CR3, NEF, ARW, RAF, ORF, RW2 and others), developed by LibRaw.

Developed to sRGB of 16 bits, upright, with the white balance that the camera chose and the exposure
as it was taken: LibRaw's brightening, which differs from picture to picture, is off.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError
from esc_cli.media import raw_process
from esc_cli.media.formats import load_raw
from esc_cli.media.metadata import COLORIMETRY_TAGS, exif_of_tiff
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Truncation
from esc_cli.media.pillow import srgb_profile
from esc_cli.media.tiff_tags import byte_order, first_directory, read_directory

_PHOTOMETRIC, _SUB_IFDS, _XMP, _DNG_VERSION = 262, 330, 700, 50706
_SENSOR = frozenset((32803, 34892))  # PhotometricInterpretation: colour filter array, linear raw
_MOST_DIRECTORIES = 16  # looked at: a camera writes fewer than ten
_MOST_TAGS = 512
_PIECES = (273, 279), (324, 325)  # offsets and sizes of strips, and of tiles
_MOST_PIECES = 1 << 16
_WANTED = frozenset((_PHOTOMETRIC, _SUB_IFDS, _DNG_VERSION, 273, 279, 324, 325))
_Tags: TypeAlias = dict[int, tuple[int, ...]]
# How files begin that are TIFF but for their magic number: Olympus, Panasonic.
_TIFF_LIKE = {b"IIRO": b"II*\0", b"IIRS": b"II*\0", b"MMOR": b"MM\0*", b"IIU\0": b"II*\0"}
# What describes the sensor and not the picture: the private tags of Panasonic, the filter array
# (TIFF/EP) and those of DNG 1.7, of which the version alone would make a TIFF pass for a DNG.
_PANASONIC, _DNG = range(1, 254), range(50706, 52600)
# Of these the names of the camera, its serial number, the lens and the name of the file describe
# the picture.
_DESCRIPTIVE = frozenset((50708, 50709, 50735, 50736, 50827))
_SENSOR_TAGS = frozenset((0, *_PANASONIC, 33421, 33422, *_DNG)) - _DESCRIPTIVE | COLORIMETRY_TAGS
_PRIVATE_DATA = 50740
_ACROSS = 4  # the bit of LibRaw's flip that exchanges rows and columns


def is_raw(stream: BinaryIO) -> bool:
    """Whether a file that begins as a TIFF is a raw picture; the stream is at its start after."""
    found = any(_is_sensor(tags) for tags in _directories(stream))
    stream.seek(0)
    return found


def _is_sensor(tags: _Tags) -> bool:
    return _DNG_VERSION in tags or not _SENSOR.isdisjoint(tags.get(_PHOTOMETRIC, ()))


def _misses_pixels(stream: BinaryIO) -> bool:
    """Whether strips or tiles of the sensor lie outside the file; LibRaw leaves black for them."""
    end = stream.seek(0, io.SEEK_END)
    for tags in _directories(stream):
        if not _SENSOR.isdisjoint(tags.get(_PHOTOMETRIC, ())):
            for places, sizes in _PIECES:
                pieces = zip(tags.get(places, ()), tags.get(sizes, ()), strict=False)
                if any(place + size > end for place, size in pieces):
                    return True
    return False


def _directories(stream: BinaryIO) -> Iterator[_Tags]:
    """The wanted tags of each directory, inner ones too; nothing for what is no classic TIFF."""
    stream.seek(0)
    head = stream.read(8)
    if head[:4] not in (b"II*\0", b"MM\0*") or len(head) < 8:
        return
    order = byte_order(head)
    waiting, seen = [struct.unpack_from(f"{order}I", head, 4)[0]], set[int]()
    while waiting and len(seen) < _MOST_DIRECTORIES:
        at = waiting.pop(0)
        if at and at not in seen:
            seen.add(at)
            tags, following = _directory(stream, at, order)
            yield tags
            waiting += [*tags.get(_SUB_IFDS, ())[:_MOST_DIRECTORIES], following]


def _directory(stream: BinaryIO, at: int, order: str) -> tuple[_Tags, int]:
    """(the integers of the wanted tags of the directory at an offset, the next one's offset)."""
    stream.seek(at)
    start = stream.read(2)
    count = min(struct.unpack(f"{order}H", start)[0], _MOST_TAGS) if len(start) == 2 else 0
    block = stream.read(12 * count + 4)
    tags: _Tags = {}
    for place in range(0, min(12 * count, len(block) - 11), 12):
        tag, kind, length = struct.unpack_from(f"{order}HHI", block, place)
        if tag in _WANTED:
            letter = {3: "H", 4: "I", 13: "I"}.get(kind, "B")
            size, value = (
                struct.calcsize(letter) * min(length, _MOST_PIECES),
                block[place + 8 : place + 12],
            )
            if size > 4:
                stream.seek(struct.unpack(f"{order}I", value)[0])
                value = stream.read(size)
            whole = min(len(value), size) // struct.calcsize(letter)
            tags[tag] = struct.unpack_from(f"{order}{whole}{letter}", value)
    following = block[12 * count : 12 * count + 4]
    return tags, struct.unpack(f"{order}I", following)[0] if len(following) == 4 else 0


def inspect(stream: BinaryIO, max_pixels: int, truncation: Truncation) -> Contents:
    """Everything but the pixels.

    Raises MissingExtraError without rawpy, UnsupportedError for what LibRaw does not know,
    ReadError for what is damaged, TooLargeError where the sensor has far more than `max_pixels`.
    """
    load_raw()
    if _misses_pixels(stream):
        truncation.found()
    stream.seek(0)
    content = stream.read()
    facts = json.loads(_run(raw_process.HEADER, content, truncation))
    metadata, left_out = _metadata(content)
    return Contents(_header(facts, max_pixels), 1, metadata, notes=(*_notes(facts), *left_out))


def _run(wanted: str, content: bytes, truncation: Truncation) -> bytes:
    """What LibRaw makes of a file.

    It writes of missing data to standard error and goes on, and damaged files may crash it: so it
    works in a process of its own.
    """
    command = [sys.executable, "-P", str(Path(raw_process.__file__)), wanted]
    # A session of its own: Ctrl-C reaches this process, which decides what becomes of the picture.
    done = subprocess.run(  # noqa: S603 - our own file, with this interpreter
        command, input=content, capture_output=True, check=False, start_new_session=True
    )
    if done.returncode == raw_process.UNSUPPORTED:
        raise UnsupportedError("this kind of camera raw picture is not supported")
    if done.returncode != 0:
        raise ReadError("the picture is damaged: its data cannot be decoded")
    if done.stderr:
        truncation.found("data is missing or broken")
    return done.stdout


def _header(facts: dict[str, Any], max_pixels: int) -> Header:
    across, down = facts["raw_width"], facts["raw_height"]
    if across * down > 2 * max_pixels:  # with its margins
        what = f"a sensor of {across} x {down} is more than the limit of {max_pixels:,} pixels"
        raise TooLargeError(what, advice="raise it with --max-pixels")
    width, height, aspect = facts["iwidth"], facts["iheight"], facts["pixel_aspect"]
    # LibRaw makes pixels square by enlarging the side that is too short.
    if 0 < aspect < 0.995:
        height = int(height / aspect + 0.5)
    if aspect > 1.005:
        width = int(width * aspect + 0.5)
    if facts["flip"] & _ACROSS:
        width, height = height, width
    if 0 in (width, height):
        raise ReadError("the picture is damaged: its size is zero")
    return Header("RAW", width, height, 1 if facts["colours"] == 1 else 3, 16, 1)


def _notes(facts: dict[str, Any]) -> tuple[str, ...]:
    if facts["colours"] == 1 or min(facts["balance"][:3]) > 0:
        return ()
    # What LibRaw does then, as dcraw before it.
    return ("it names no white balance of the camera: balanced to be grey on average",)


def _metadata(content: bytes) -> tuple[Metadata, tuple[str, ...]]:
    """What the first directory of the file describes, and a note where there is none to read."""
    icc = srgb_profile()
    block = _TIFF_LIKE.get(content[:4], content[:4]) + content[4:]
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return Metadata(icc=icc), ("left out: EXIF, which is not read from this kind of raw",)
    at = first_directory(block)
    entries = {entry.tag: entry for entry in read_directory(block, at, depth=0)[0]}
    xmp = entries[_XMP].value if _XMP in entries else None
    metadata = Metadata(icc=icc, exif=exif_of_tiff(block, at, without=_SENSOR_TAGS), xmp=xmp)
    return metadata, _private(entries.keys())


def _private(tags: Collection[int]) -> tuple[str, ...]:
    """Notes on what means nothing outside a raw file."""
    notes = []
    if not frozenset(_PANASONIC).isdisjoint(tags):
        notes.append("left out: Panasonic's tags of the sensor, and its preview with a maker note")
    if _PRIVATE_DATA in tags:
        notes.append("left out: private data of its maker (DNGPrivateData)")
    return tuple(notes)


def frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    """The (H, W, C) uint16 picture, upright. Raises ReadError and UnsupportedError."""
    made = io.BytesIO(_run(raw_process.PIXELS, content, truncation))
    frame: Frame = np.load(made, allow_pickle=False)
    if not frame.any():  # a sensor has noise; LibRaw leaves black what it cannot decode
        truncation.found("nothing of its pixels can be decoded")
    header = contents.header
    if frame.shape[:2] != (header.height, header.width):
        raise UnsupportedError("camera raw pictures of sensors that stand askew are not supported")
    yield np.ascontiguousarray(frame[..., : header.channels])
