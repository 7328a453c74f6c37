"""Chunks of PNG beside colour and texts: kept, or named."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from pngs import chunk, png_with

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Picture

LIMIT = 10**6
TIME = struct.pack(">H5B", 2026, 2, 3, 4, 5, 6)


def rewritten(picture: Picture) -> bytes:
    return encode(picture, plan_output(picture.header, (8, 6), "png", ".png"), None)


def test_the_time_of_a_png_is_kept_or_named() -> None:
    picture = decode(png_with((b"tIME", TIME)), LIMIT)
    assert chunk(b"tIME", TIME) in rewritten(picture)
    assert lost(picture, "PNG") == ()
    assert lost(picture, "JPEG") == ("left out: its time (PNG's tIME), which JPEG does not hold",)


@pytest.mark.parametrize(
    ("depth", "colour_type", "stored", "expected"),
    [
        (8, 2, (200, 90, 30), (200, 90, 30)),
        (16, 2, (65535, 256, 0), (65535, 256, 0)),
        (8, 6, (1, 2, 3), (1, 2, 3)),
        (8, 4, (77,), (77,)),
        (16, 0, (1000,), (1000,)),
        (4, 0, (3,), (51,)),
        (1, 0, (1,), (255,)),
    ],
)
def test_the_background_is_kept_as_levels_of_the_result(
    raw_png, depth: int, colour_type: int, stored: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    row = 1 + (8 * depth * {0: 1, 2: 3, 4: 2, 6: 4}[colour_type] + 7) // 8
    said = chunk(b"bKGD", struct.pack(f">{len(stored)}H", *stored))
    picture = decode(raw_png((8, 6), depth, colour_type, bytes(row * 6), said), LIMIT)
    kept = chunk(b"bKGD", struct.pack(f">{len(expected)}H", *expected))
    assert kept in rewritten(picture)


def test_the_background_of_a_palette_becomes_its_colour(raw_png) -> None:
    extra = chunk(b"PLTE", bytes((9, 8, 7, 60, 50, 40))) + chunk(b"bKGD", b"\1")
    picture = decode(raw_png((8, 6), 8, 3, bytes(9 * 6), extra), LIMIT)
    assert chunk(b"bKGD", struct.pack(">3H", 60, 50, 40)) in rewritten(picture)
    assert lost(picture, "WEBP") == (
        "left out: the colour of its background, which WEBP does not hold",
    )


@pytest.mark.parametrize("payload", [b"", b"\0", bytes(2), bytes(7)])
def test_a_background_of_another_length_is_none(payload: bytes) -> None:
    assert decode(png_with((b"bKGD", payload)), LIMIT).metadata.background == ()


def test_chunks_that_are_not_known_are_named_once() -> None:
    picture = decode(png_with((b"caBX", b"x"), (b"oFFs", bytes(9)), (b"caBX", b"y")), LIMIT)
    assert picture.notes == ("left out: chunks of PNG that are not known here: caBX, oFFs",)


def test_what_describes_the_samples_of_the_source_is_not_named() -> None:
    picture = decode(png_with((b"sBIT", b"\5\6\5"), (b"iDOT", bytes(28))), LIMIT)
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.frames[0][0, 0], (200, 90, 30))
