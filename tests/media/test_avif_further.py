"""AVIF files of several pictures: the primary one is done, the others are named."""

from __future__ import annotations

import struct

import imagecodecs
import numpy as np
import pytest
from avifs import box

from esc_cli.media.decode import decode, probe
from esc_cli.media.heif_boxes import boxes, children

LIMIT = 10**6
FULL = bytes(4)


def references(kind: bytes, source: int, *targets: int) -> bytes:
    return box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))


def album(stored: bytes, count: int, *more: bytes, hidden: int = 0) -> bytes:
    """An AVIF whose items 1 to `count` are all the picture of a file that libavif wrote.

    `more` are further boxes of the meta box, `hidden` is the number of an item that is.
    """
    parts = {kind: stored[start:end] for kind, start, end in boxes(stored)}
    inside = children(parts[b"meta"][4:])
    properties = children(inside[b"iprp"])
    own = properties[b"ipma"][10:]
    numbers = range(1, count + 1)
    entries = b"".join(
        box(
            b"infe",
            b"\2\0\0" + bytes((number == hidden,)),
            struct.pack(">HH4sx", number, 0, b"av01"),
        )
        for number in numbers
    )
    ipma = FULL + struct.pack(">I", count)
    ipma += b"".join(struct.pack(">H", number) + own for number in numbers)
    size = len(parts[b"mdat"])

    def meta(at: int) -> bytes:
        rows = (struct.pack(">HHHII", number, 0, 1, at, size) for number in numbers)
        return box(
            b"meta",
            FULL,
            box(b"hdlr", inside[b"hdlr"]),
            box(b"pitm", FULL, b"\0\1"),
            box(b"iloc", FULL, b"\x44\0", struct.pack(">H", count), *rows),
            box(b"iinf", FULL, struct.pack(">H", count), entries),
            box(b"iprp", box(b"ipco", properties[b"ipco"]), box(b"ipma", ipma)),
            *more,
        )

    head = box(b"ftyp", parts[b"ftyp"])
    return head + meta(len(head) + len(meta(0)) + 8) + box(b"mdat", parts[b"mdat"])


@pytest.fixture(scope="module")
def stored() -> bytes:
    pixels = np.random.default_rng(1).integers(0, 256, (16, 24, 3), np.uint8)
    return bytes(imagecodecs.avif_encode(pixels, level=100))


@pytest.mark.parametrize(
    ("count", "more", "notes"),
    [
        (1, (), ()),
        (2, (), ("left out: 1 further picture of the file",)),
        (3, (), ("left out: 2 further pictures of the file",)),
        (3, (box(b"iref", FULL, references(b"thmb", 2, 1)),), ("left out: 1 further picture",)),
        (3, (box(b"iref", FULL, references(b"thmb", 2, 1), references(b"thmb", 3, 1)),), ()),
    ],
)
def test_further_pictures_of_an_avif_are_named(stored, count, more, notes):
    content = album(stored, count, *more)
    picture = decode(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], decode(stored, LIMIT).frames[0])
    assert len(picture.notes) == len(notes)
    assert all(found.startswith(note) for found, note in zip(picture.notes, notes, strict=True))


def test_hidden_items_of_an_avif_are_no_further_pictures(stored):
    assert decode(album(stored, 2, hidden=2), LIMIT).notes == ()


def test_an_avif_that_is_the_small_end_of_a_pyramid_is_done(stored):
    layers = struct.pack(">9H", *(1, 0, 0) * 3)
    pyramid = FULL + struct.pack(">II3IHH", 1, 3, 1, 2, 3, 512, 512) + layers
    content = album(stored, 3, box(b"grpl", box(b"pymd", pyramid)))
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], decode(stored, LIMIT).frames[0])
    assert picture.notes == ("left out: 2 further pictures of the file",)
