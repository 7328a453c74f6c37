"""JPEG: what is missing is a failure however it is covered up; what browsers forgive is done."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from PIL import Image

from esc_cli.errors import ReadError
from esc_cli.media.decode import decode, probe

LIMIT = 10**6
KINDS = {
    "baseline": {},
    "full chroma": {"subsampling": 0},
    "progressive": {"progressive": True},
    "optimised": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
}
COVERS = {
    "end marker": b"\xff\xd9",
    "nothing": b"",
    "zeros": bytes(5000),
    "rubbish": np.random.default_rng(1).integers(0, 256, 3000, np.uint8).tobytes(),
    "zeros and end": bytes(200) + b"\xff\xd9",
}


@pytest.fixture(params=KINDS)
def whole(request, save):
    noise = np.random.default_rng(0).integers(0, 256, (12, 20, 3), np.uint8)
    smooth = Image.fromarray(noise).resize((200, 120), Image.Resampling.BICUBIC)
    return save(smooth, "JPEG", quality=90, **KINDS[request.param])


@pytest.mark.parametrize("cover", COVERS)
@pytest.mark.parametrize("share", [0.4, 0.7, 0.95])
def test_a_cut_jpeg_is_a_failure_whatever_stands_behind_the_cut(whole, share, cover):
    cut = whole[: int(len(whole) * share)] + COVERS[cover]
    with pytest.raises(ReadError, match=r"cut short|broken"):
        decode(cut, LIMIT)


def test_a_cut_jpeg_is_done_with_a_note_where_that_is_allowed(whole):
    complete = decode(whole, LIMIT)
    cut = decode(whole[: len(whole) * 8 // 10], LIMIT, allow_truncated=True)
    assert complete.notes == ()
    assert "cut short" in cut.notes[0]
    top = (slice(0, 32), slice(None))
    difference = np.abs(cut.frames[0][top].astype(int) - complete.frames[0][top])
    assert difference.mean() < 3


@pytest.mark.parametrize(
    "mended",
    {
        "no end marker": lambda content: content[:-2],
        "rubbish behind": lambda content: content + COVERS["rubbish"],
        "bytes between segments": lambda content: content[:20] + b"abc\0" + content[20:],
        "a comment without a length": lambda content: content[:20] + b"\xff\xfe\0\0" + content[20:],
        "a segment of length 1": lambda content: content[:20] + b"\xff\xe5\0\1" + content[20:],
        "a short JFIF segment": lambda content: b"\xff\xd8\xff\xe0\0\x09JFIF\0\1\1" + content[20:],
    }.items(),
    ids=lambda item: item[0],
)
def test_what_browsers_forgive_is_done(whole, mended):
    odd = mended[1](whole)
    picture = decode(odd, LIMIT)
    assert probe(odd, LIMIT) == picture.header
    np.testing.assert_array_equal(picture.frames[0], decode(whole, LIMIT).frames[0])
    behind = ("left out: 3,000 bytes behind the picture",)
    assert picture.notes == (behind if mended[0] == "rubbish behind" else ())


def test_a_grey_picture_is_no_cut_one(save):
    for options in KINDS.values():
        content = save(Image.new("RGB", (200, 120), (128, 128, 128)), "JPEG", **options)
        assert decode(content, LIMIT).frames[0][119, 199].tolist() == [128, 128, 128]
    ink = save(Image.new("CMYK", (64, 64), (0, 0, 0, 128)), "JPEG")
    assert decode(ink, LIMIT).header.channels == 3


# `cjpeg -arithmetic -quality 50` of libjpeg-turbo 2.1.5 on a gradient of 24 x 16 from red to blue.
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERX"
    "RTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/2wBDARESEhgVGC8aGi9jQjhCY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2Nj"
    "Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2P/yQARCAAQABgDASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIR"
    "AxEAPwD/ACRT1gW2WnAH0qjeaW1LoJMztv/Z"
)


def test_an_arithmetic_coded_jpeg_is_read_and_one_without_its_end_is_not():
    frame = decode(ARITHMETIC, LIMIT).frames[0].astype(int)
    wanted = np.linspace((255, 0, 0), (0, 0, 255), 16)[:, None]
    assert np.abs(frame - wanted).mean() < 12
    with pytest.raises(ReadError, match="cut short"):
        decode(ARITHMETIC[:-16], LIMIT)
