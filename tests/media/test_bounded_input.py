"""Small files that ask for more than they hold end early, with a reason, in little memory."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import TooLargeError
from esc_cli.media import tiff_tags
from esc_cli.media.decode import decode

LIMIT = 10**6
BOUND_BYTES = 4 << 30


def ifd(order: str, entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    """A directory of (tag, type, count, number)."""
    table = b"".join(struct.pack(f"{order}HHII", *entry) for entry in entries)
    return struct.pack(f"{order}H", len(entries)) + table + struct.pack(f"{order}I", following)


def grey_page(pixels_at: int, following: int, *more: tuple[int, int, int, int]) -> bytes:
    """The directory of a 4 x 4 grey page without compression."""
    entries = [
        *((256, 4, 1, 4), (257, 4, 1, 4), (258, 4, 1, 8), (259, 4, 1, 1), (262, 4, 1, 1)),
        *((273, 4, 1, pixels_at), (277, 4, 1, 1), (278, 4, 1, 4), (279, 4, 1, 16)),
    ]
    changed = {entry[0]: entry for entry in (*entries, *more)}
    return ifd("<", sorted(changed.values()), following)


def outcome(content: bytes, function: str = "decode") -> str:
    """What a process of its own that may have `BOUND_BYTES` says of the file."""
    script = (
        "import sys; from esc_cli.errors import EscError\n"
        f"from esc_cli.media.decode import {function}\n"
        f"try: print({function}(sys.stdin.buffer.read(), {LIMIT}))\n"
        "except EscError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=content, capture_output=True, timeout=60, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (BOUND_BYTES, BOUND_BYTES)),
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode()


@pytest.mark.parametrize("function", ["probe", "decode"])
@pytest.mark.parametrize("back_to", ["first", "second"])
def test_directories_that_lead_back_to_themselves_are_a_reason(function, back_to):
    size = len(grey_page(0, 0))
    first, second = 24, 24 + size
    head = b"II*\0" + struct.pack("<I", first) + bytes(16)
    tail = {"first": first, "second": second}[back_to]
    content = head + grey_page(8, second) + grey_page(8, tail)
    assert "lead back to themselves" in outcome(content, function)


def test_directories_of_a_bigtiff_that_lead_back_are_a_reason():
    entries = [(256, 4, 1, 4), (257, 4, 1, 4), (258, 3, 1, 8), (273, 16, 1, 8), (279, 4, 1, 16)]
    table = b"".join(struct.pack("<HHQQ", *entry) for entry in entries)
    content = b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, len(entries)) + table
    content += struct.pack("<Q", 16)
    assert "lead back to themselves" in outcome(content)


def test_inner_directories_that_lead_back_do_no_harm():
    content = b"II*\0" + struct.pack("<I", 24) + bytes(range(16))
    loops = [(330, 4, 1, 24), (tiff_tags.EXIF_IFD, 4, 1, 24), (tiff_tags.GPS_IFD, 4, 1, 24)]
    content += grey_page(8, 0, *loops)
    frame = decode(content, LIMIT).frames[0]
    np.testing.assert_array_equal(frame.reshape(-1), np.arange(16))


def test_a_directory_that_multiplies_is_read_once():
    count = 20_000
    pointers = [(tiff_tags.EXIF_IFD, 4, 1, 8)] * count
    block = b"II*\0" + struct.pack("<I", 8) + ifd("<", pointers, 0)
    start = time.monotonic()
    tiff_tags.read_directory(block, 8)
    values = [(number, 7, 12 * count, 8) for number in range(count)]
    block = b"II*\0" + struct.pack("<I", 8) + ifd("<", values, 0)
    entries, _ = tiff_tags.read_directory(block, 8)
    assert sum(len(entry.value) for entry in entries) <= len(block)
    assert time.monotonic() - start < 10


@pytest.mark.parametrize(
    "more",
    [
        [(322, 4, 1, 1 << 20), (323, 4, 1, 1 << 20), (324, 4, 1, 8), (325, 4, 1, 16)],
        [(277, 4, 1, 65535), (256, 4, 1, 1000), (257, 4, 1, 1000)],
    ],
)
def test_tiles_and_samples_of_a_tiff_count_against_the_limit(more):
    content = b"II*\0" + struct.pack("<I", 24) + bytes(16) + grey_page(8, 0, *more)
    with pytest.raises(TooLargeError, match="--max-pixels"):
        decode(content, LIMIT)


def test_the_canvas_of_a_webp_counts_before_it_is_opened(save):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    content = save(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    at = content.index(b"VP8X") + 12
    content = content[:at] + b"\xfe\x3f\0\xfe\x3f\0" + content[at + 6 :]
    with pytest.raises(TooLargeError, match="16383 x 16383"):
        decode(content, LIMIT)
