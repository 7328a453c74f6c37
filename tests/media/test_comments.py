"""Comments, IPTC and raw profiles go with a picture where its format can hold them."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from esc_cli.media.decode import decode
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.media.lost_content import lost
from esc_cli.media.picture import Picture

IPTC = b"\x1c\x02\x78\x00\x05Storm" + b"\x1c\x02\x50\x00\x03Ann"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
TURNED = b"Exif\0\0MM\0*\0\0\0\x08\0\1" + struct.pack(">HHIHH", 274, 3, 1, 6, 0) + bytes(4)


def saved(name: str) -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (8, 6), (200, 90, 30)).save(target, name)
    return target.getvalue()


def jpeg_with(*segments: tuple[int, bytes]) -> bytes:
    content = saved("JPEG")
    added = b"".join(
        struct.pack(">BBH", 255, marker, len(payload) + 2) + payload for marker, payload in segments
    )
    return content[:2] + added + content[2:]


def photoshop() -> bytes:
    """Resources with something else, of an odd length and with a name, in front of IPTC."""
    other = b"8BIM\x04\x0a\x03abc\0\0\0\1\1\0"
    return b"Photoshop 3.0\0" + other + b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) + IPTC


def raw(name: bytes, block: bytes) -> tuple[bytes, bytes]:
    text = b"\n%s\n%8d\n%s\n" % (name, len(block), block.hex().encode())
    return b"zTXt", b"Raw profile type " + name + b"\0\0" + zlib.compress(text)


def png_with(*chunks: tuple[bytes, bytes]) -> bytes:
    content = saved("PNG")
    added = b"".join(
        struct.pack(">I", len(payload))
        + kind
        + payload
        + struct.pack(">I", zlib.crc32(kind + payload))
        for kind, payload in chunks
    )
    return content[:33] + added + content[33:]


def rewritten(content: bytes, name: str) -> Picture:
    picture = decode(content, 10**6)
    size = picture.header.width, picture.header.height
    return decode(encode(picture, plan_output(picture.header, size, name, ".x"), None), 10**6)


@pytest.mark.parametrize("name", ["jpg", "png", "tif"])
def test_iptc_of_a_jpeg_is_kept(name: str) -> None:
    result = encode(
        picture := decode(jpeg_with((0xED, photoshop())), 10**6),
        plan_output(picture.header, (8, 6), name, ".x"),
        None,
    )
    with Image.open(io.BytesIO(result)) as image:
        image.load()
        found = {
            "jpg": lambda: image.info["photoshop"][0x0404],
            "png": lambda: bytes.fromhex(
                "".join(image.info["Raw profile type iptc"].split()[2:])
            ).partition(struct.pack(">I", len(IPTC)))[2][: len(IPTC)],
            "tif": lambda: image.tag_v2[33723],
        }[name]()
    assert found == IPTC
    assert lost(picture, {"jpg": "JPEG", "png": "PNG", "tif": "TIFF"}[name]) == ()


def test_iptc_in_other_formats_is_named() -> None:
    picture = decode(jpeg_with((0xED, photoshop())), 10**6)
    for name in ("WEBP", "AVIF", "GIF", "BMP"):
        assert lost(picture, name) == (f"left out: IPTC, which {name} does not hold",)


def test_comments_of_a_jpeg_are_all_kept_or_named() -> None:
    content = jpeg_with((0xFE, b"first"), (0xFE, "zweite, größer".encode()), (0xFE, b"caf\xe9"))
    picture = decode(content, 10**6)
    assert rewritten(content, "jpg").metadata.comments == picture.metadata.comments
    texts = [payload for _, payload in rewritten(content, "png").metadata.png_text]
    assert [text.rpartition(b"\0")[2] for text in texts] == list(picture.metadata.comments)
    assert rewritten(content, "gif").metadata.comments == picture.metadata.comments
    assert lost(picture, "WEBP") == ("left out: comments, which WEBP does not hold",)


def test_comments_of_a_gif_are_kept_in_png() -> None:
    content = saved("GIF")
    at = content.rindex(b",\0\0\0\0")
    content = content[:at] + b"!\xfe\x05hello\x06 world\0" + content[at:]
    (text,) = rewritten(content, "png").metadata.png_text
    assert text == (b"iTXt", b"Comment\0\0\0\0\0hello world")


@pytest.mark.parametrize("name", [b"exif", b"APP1"])
def test_a_raw_profile_turns_the_picture_and_is_kept_as_exif(name: bytes) -> None:
    content = png_with(raw(name, TURNED))
    header = decode(content, 10**6).header
    assert (header.width, header.height) == (6, 8)
    result = rewritten(content, "png")
    assert (result.header.width, result.header.height) == (6, 8)
    assert result.metadata.exif is not None
    assert result.metadata.png_text == ()


def test_xmp_and_iptc_of_raw_profiles_are_kept() -> None:
    resources = photoshop().removeprefix(b"Photoshop 3.0\0")
    content = png_with(raw(b"xmp", XMP), raw(b"iptc", resources))
    result = rewritten(content, "png").metadata
    assert (result.xmp, result.iptc) == (XMP, IPTC)
    assert rewritten(content, "jpg").metadata.iptc == IPTC


def test_the_name_of_a_raw_profile_may_have_several_words() -> None:
    iptc = b"\n%s\n      %d\n%s\n" % (b"IPTC profile", len(IPTC), IPTC.hex().encode())
    exif = b"\n%s\n      %d\n%s\n" % (b"generic profile", len(TURNED), TURNED.hex().encode())
    content = png_with(
        (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(iptc)),
        (b"tEXt", b"Raw profile type APP1\0" + exif),
    )
    picture = decode(content, 10**6)
    assert picture.notes == ()
    assert picture.metadata.iptc == IPTC
    assert (picture.header.width, picture.header.height) == (6, 8)


def test_a_damaged_raw_profile_is_named() -> None:
    chunk = b"tEXt", b"Raw profile type exif\0\nexif\n  900\n4578\n"
    (note,) = decode(png_with(chunk), 10**6).notes
    assert note == "left out: the raw profile exif, which is damaged"
