"""Texts of a PNG go with it; damaged colour chunks do not."""

from __future__ import annotations

import io
import zlib

import pytest
from PIL import Image
from pngs import png_with

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output

PROMPT = "a lighthouse in a storm, Steps: 20, Seed: 7"
TEXTS = (
    (b"tEXt", b"parameters\0" + PROMPT.encode()),
    (b"zTXt", b"workflow\0\0" + zlib.compress(PROMPT.encode())),
    (b"iTXt", b"Title\0\0\0de\0Titel\0" + "Stürmische See".encode()),
)


def rewritten(content: bytes) -> bytes:
    picture = decode(content, 10**6)
    return encode(picture, plan_output(picture.header, (8, 6), "png", ".png"), None)


def test_texts_of_every_kind_are_kept_in_png() -> None:
    result = rewritten(png_with(*TEXTS))
    assert all(kind + payload in result for kind, payload in TEXTS)
    with Image.open(io.BytesIO(result)) as image:
        image.load()
        assert image.info["parameters"] == image.info["workflow"] == PROMPT
        assert image.info["Title"] == "Stürmische See"


def test_colour_chunks_of_the_wrong_length_are_not_copied() -> None:
    result = rewritten(png_with((b"gAMA", b"\0\0"), (b"cHRM", bytes(7)), (b"sRGB", b"\0")))
    assert b"gAMA" not in result
    assert b"cHRM" not in result
    assert b"sRGB" in result


def test_a_damaged_colour_profile_is_named() -> None:
    assert decode(png_with((b"iCCP", b"x\0\0rubbish")), 10**6).notes == (
        "left out: the colour profile, which is damaged or for other pixels",
    )


@pytest.mark.parametrize(
    ("kind", "payload"),
    [
        (b"zTXt", b"Comment\0\x80" + zlib.compress(b"a")),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 99)[:-6]),
        (b"zTXt", b"Comment\0\0rubbish"),
        (b"iTXt", b"Comment\0\2\0\0\0a"),
        (b"iTXt", b"Comment\0\1\0\0\0rubbish"),
        (b"iTXt", b"Comment\0\0\0a"),
        (b"tEXt", b"no end of its keyword"),
        (b"tEXt", b"\0no keyword"),
    ],
)
def test_a_damaged_text_is_named_and_not_copied(kind: bytes, payload: bytes) -> None:
    content = png_with((kind, payload), *TEXTS)
    assert decode(content, 10**6).notes == ("left out: a text, which is damaged",)
    result = rewritten(content)
    assert payload not in result
    assert all(kind + text in result for kind, text in TEXTS)
    with Image.open(io.BytesIO(result)) as image:
        image.load()


EXIF = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x06\0\0\0\x1a\0\0\0\0\0\0\0Canon\0"


@pytest.mark.parametrize("prefix", [b"Exif\0\0", b""])
@pytest.mark.parametrize("rubbish", [b"", b"\n}}}}\x01", b"\n123"])
def test_raw_profiles_may_lack_a_prefix_and_have_rubbish_behind(prefix, rubbish) -> None:
    block = prefix + EXIF
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode() + rubbish
    payload = b"Raw profile type exif\0\0" + zlib.compress(text)
    picture = decode(png_with((b"zTXt", payload)), 10**6)
    assert picture.metadata.exif == EXIF
    assert picture.notes == ()
