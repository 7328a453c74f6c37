"""What stands beside the images of a GIF is kept or named."""

from __future__ import annotations

import io

import pytest
from PIL import Image, ImageCms

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output

LIMIT = 10**6
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def sub_blocks(block: bytes) -> bytes:
    parts = (block[at : at + 255] for at in range(0, len(block), 255))
    return b"".join(bytes((len(part),)) + part for part in parts) + b"\0"


def gif_with(label: int, head: bytes, block: bytes) -> bytes:
    """A still with one extension behind its palette."""
    target = io.BytesIO()
    Image.new("P", (8, 6)).save(target, "GIF")
    content = target.getvalue()
    start = 13 + 3 * 2 ** ((content[10] & 7) + 1)
    extension = bytes((0x21, label, len(head))) + head + sub_blocks(block)
    return content[:start] + extension + content[start:]


def test_the_colour_profile_of_a_gif_is_kept() -> None:
    picture = decode(gif_with(0xFF, b"ICCRGBG1012", PROFILE), LIMIT)
    assert picture.metadata.icc == PROFILE
    assert picture.notes == ()
    written = encode(picture, plan_output(picture.header, (8, 6), None, ".gif"), None)
    assert decode(written, LIMIT).metadata.icc == PROFILE


@pytest.mark.parametrize(
    ("label", "head", "block", "note"),
    [
        (0xFF, b"ICCRGBG1012", b"rubbish", "left out: the colour profile"),
        (0xFF, b"MAKERPRG1.0", b"data", "left out: data of programs in the GIF (MAKERPRG)"),
        (
            0xFF,
            b"\n\x1b[2J\0\0\0\0\0\0",
            b"data",
            "left out: data of programs in the GIF (??[2J???)",
        ),
        (0x01, bytes(12), b"words", "left out: text that GIF has drawn over the picture"),
    ],
)
def test_what_is_not_kept_is_named(label: int, head: bytes, block: bytes, note: str) -> None:
    (found,) = decode(gif_with(label, head, block), LIMIT).notes
    assert found.startswith(note)
