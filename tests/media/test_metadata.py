"""EXIF, XMP, ICC and resolution reach the result; the orientation is applied exactly once."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import plan_output
from esc_cli.media.metadata import orientation, upright_exif
from esc_cli.media.picture import Picture

LIMIT = 10**6
MAKER_NOTE = b"Maker\0" + bytes(range(200))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6" tiff:Make="Maker"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


@pytest.fixture
def exif() -> bytes:
    """Orientation 6, camera, sizes, GPS and a maker note."""
    block = Image.Exif()
    block[0x0112], block[0x010F], block[0x0110] = 6, "Maker", "Camera"
    block[0x0100], block[0x0101] = 30, 20
    inner = block.get_ifd(0x8769)
    inner[0xA002], inner[0xA003], inner[0x927C] = 30, 20, MAKER_NOTE
    inner[0x829A] = 1 / 125
    position = block.get_ifd(0x8825)
    position[1], position[2] = "N", (48.0, 8.0, 14.5)
    return block.tobytes()


def enlarged(picture: Picture) -> Picture:
    """Twice the size, as an upscaler would hand it on."""
    header = replace(
        picture.header, width=2 * picture.header.width, height=2 * picture.header.height
    )
    frames = tuple(frame.repeat(2, axis=0).repeat(2, axis=1) for frame in picture.frames)
    return replace(picture, header=header, frames=frames)


def written(picture: Picture, name: str) -> bytes:
    size = picture.header.width, picture.header.height
    return encode(picture, plan_output(picture.header, size, name, ".x"), 100)


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "tiff", "avif", "heic"])
def test_exif_survives_with_orientation_1_and_the_new_size(save, rgb, exif, name):
    source = decode(save(rgb, "JPEG", exif=exif, icc_profile=SRGB, dpi=(240, 240)), LIMIT)
    assert (source.header.width, source.header.height) == (20, 30)
    content = written(enlarged(source), name)
    result = decode(content, LIMIT)
    assert (result.header.width, result.header.height) == (40, 60)
    block = Image.Exif()
    block.load(result.metadata.exif)
    assert block.get(0x0112, 1) == 1
    assert (block[0x010F], block[0x0110]) == ("Maker", "Camera")
    inner = block.get_ifd(0x8769)
    assert (inner[0xA002], inner[0xA003]) == (40, 60)
    assert inner[0x927C] == MAKER_NOTE
    assert float(inner[0x829A]) == pytest.approx(1 / 125)
    position = block.get_ifd(0x8825)
    assert position[1] == "N"
    assert tuple(float(part) for part in position[2]) == (48.0, 8.0, 14.5)
    assert result.metadata.icc == SRGB
    if name in ("png", "jpg", "tiff"):
        assert result.metadata.dpi == pytest.approx((240, 240), abs=0.1)
    if name not in ("avif", "heic"):
        image = Image.open(io.BytesIO(content))
        assert image.getexif().get(0x0112, 1) == 1
        assert image.size == (40, 60)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_metadata_survives_16_bits(dark16, exif, name):
    picture = decode_png16(dark16, exif)
    assert picture.header.bits == 16
    result = decode(written(picture, name), LIMIT)
    assert result.header.bits == 16
    np.testing.assert_array_equal(result.frames[0], picture.frames[0])
    assert result.metadata.icc == SRGB
    assert result.metadata.xmp == XMP.replace(b'Orientation="6"', b'Orientation="1"')
    block = Image.Exif()
    block.load(result.metadata.exif)
    assert block.get_ifd(0x8769)[0x927C] == MAKER_NOTE
    assert block.get_ifd(0x8825)[1] == "N"


def decode_png16(pixels: np.ndarray, exif: bytes) -> Picture:
    import imagecodecs

    plain = decode(imagecodecs.png_encode(pixels), LIMIT)
    metadata = replace(plain.metadata, exif=exif.removeprefix(b"Exif\0\0"), xmp=XMP, icc=SRGB)
    content = written(replace(plain, metadata=metadata), "png")
    return decode(content, LIMIT)


def test_the_16_bit_tiff_has_its_tags_where_other_readers_look(dark16, exif):
    content = written(decode_png16(dark16, exif), "tiff")
    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        page = tiff.pages[0]
        assert page.tags["Make"].value == "Maker"
        assert page.tags["ExifTag"].value["MakerNote"] == MAKER_NOTE
        assert page.tags["GPSTag"].value["GPSLatitudeRef"] == "N"
        assert page.tags[34675].value == SRGB
        assert b"tiff:Make" in page.tags[700].value
        assert page.tags["ExtraSamples"].value in (2, (2,))


@pytest.mark.parametrize("turned", range(1, 9))
@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF", "AVIF", "P-TIFF"])
def test_all_eight_orientations_come_out_as_pillow_turns_them(save, rgb, name, turned):
    block = Image.Exif()
    block[0x0112] = turned
    image = Image.fromarray(rgb)
    if name == "P-TIFF":
        image = image.quantize(200)
    content = save(image, name.removeprefix("P-"), exif=block)
    picture = decode(content, LIMIT)
    with Image.open(io.BytesIO(content)) as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert picture.header == probe(content, LIMIT)
    np.testing.assert_array_equal(picture.frames[0], expected)
    assert orientation(picture.metadata.exif) == 1
    again = decode(written(picture, "png"), LIMIT)
    np.testing.assert_array_equal(again.frames[0], expected)


def test_heif_is_not_turned_twice(rgb):
    pillow_heif = pytest.importorskip("pillow_heif")
    block = Image.Exif()
    block[0x0112] = 6
    image = Image.fromarray(rgb)
    target = io.BytesIO()
    pillow_heif.register_heif_opener()
    image.save(target, "HEIF", exif=block.tobytes(), quality=100)
    picture = decode(target.getvalue(), LIMIT)
    turned = np.rot90(rgb, -1).astype(int)
    assert picture.frames[0].shape == turned.shape
    assert np.abs(picture.frames[0] - turned).mean() < 5
    again = decode(written(picture, "heic"), LIMIT)
    assert np.abs(again.frames[0] - turned).mean() < 5


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_an_orientation_in_xmp_alone_turns_nothing_and_stays(save, rgb, chunk, name):
    if name == "PNG":
        plain = save(rgb, "PNG")
        content = plain[:33] + chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP) + plain[33:]
    else:
        content = save(rgb, name, xmp=XMP)
    picture = decode(content, LIMIT)
    assert (picture.header.width, picture.header.height) == (30, 20)
    assert picture.metadata.xmp == XMP


@pytest.mark.parametrize("name", ["JPEG", "TIFF"])
def test_xmp_does_not_contradict_what_was_turned(save, rgb, name):
    block = Image.Exif()
    block[0x0112] = 6
    more = {"tiffinfo": {274: 6, 700: XMP}} if name == "TIFF" else {"xmp": XMP}
    picture = decode(save(rgb, name, exif=block, **more), LIMIT)
    assert (picture.header.width, picture.header.height) == (20, 30)
    assert b'tiff:Orientation="1"' in picture.metadata.xmp
    assert b'tiff:Make="Maker"' in picture.metadata.xmp


@pytest.mark.parametrize("name", ["png", "jpg", "webp", "tiff", "avif", "heic"])
def test_xmp_survives(save, rgb, name):
    source = decode(save(rgb, "JPEG", xmp=XMP), LIMIT)
    result = decode(written(source, name), LIMIT)
    assert b'tiff:Make="Maker"' in result.metadata.xmp


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_thumbnail_goes_and_its_bytes_too(order):
    thumbnail = b"\xff\xd8" + b"thumbnail" * 20 + b"\xff\xd9"
    main = struct.pack(f"{order}HHHIHHI", 1, 274, 3, 1, 6, 0, 26)
    second_at = 26
    second = struct.pack(f"{order}H", 2)
    second += struct.pack(f"{order}HHII", 513, 4, 1, second_at + 30)
    second += struct.pack(f"{order}HHII", 514, 4, 1, len(thumbnail)) + bytes(4)
    header = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    block = header + main + second + thumbnail
    result = upright_exif(block)
    assert b"thumbnail" not in result
    assert len(result) < len(block)
    assert orientation(result) == 1
    following = upright_exif(block + b"maker note behind it")
    assert b"thumbnail" not in following
    assert following.endswith(b"maker note behind it")


def test_a_size_over_65535_fits_where_a_short_stood(exif):
    block = Image.Exif()
    block.load(upright_exif(exif.removeprefix(b"Exif\0\0"), (70_000, 80_000)))
    assert (block[0x0100], block.get_ifd(0x8769)[0xA003]) == (70_000, 80_000)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pytest puts its own filters over ours
@pytest.mark.parametrize("seed", range(20))
def test_damaged_exif_never_stops_a_picture(save, rgb, exif, seed):
    random = np.random.default_rng(seed)
    damaged = bytearray(exif)
    for _ in range(8):
        damaged[random.integers(14, len(exif))] = random.integers(0, 256)
    picture = decode(save(rgb, "JPEG", exif=bytes(damaged)), LIMIT)
    for name in ("png", "jpg", "tiff", "webp", "avif", "heic"):
        decode(written(picture, name), LIMIT)


def test_an_exif_block_too_long_for_jpeg_is_left_out(save, rgb):
    picture = decode(save(rgb, "PNG"), LIMIT)
    long_block = b"II*\0\x08\0\0\0\0\0\0\0\0\0" + bytes(70_000)
    metadata = replace(picture.metadata, exif=long_block, xmp=b"x" * 70_000)
    result = decode(written(replace(picture, metadata=metadata), "jpg"), LIMIT)
    assert (result.metadata.exif, result.metadata.xmp) == (None, None)


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_profile_that_is_cut_short_is_left_out_and_named(save, rgb, name):
    whole = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    words = "left out: the colour profile, which is damaged or for other pixels"
    for profile, notes in ((whole, ()), (whole[:-9], (words,))):
        picture = decode(save(Image.fromarray(rgb), name, icc_profile=profile), LIMIT)
        assert (picture.metadata.icc == whole) == (not notes)
        assert picture.notes == notes


@pytest.mark.parametrize("name", ["JPEG", "TIFF", "PNG"])
def test_a_profile_for_other_pixels_is_left_out_and_named(save, rgb, name):
    grey = decode(save(rgb[..., 0], name, icc_profile=SRGB), LIMIT)
    assert grey.metadata.icc is None
    assert grey.notes == ("left out: the colour profile, which is damaged or for other pixels",)
    assert decode(save(rgb, name, icc_profile=SRGB), LIMIT).notes == ()


def test_colour_chunks_of_png_are_carried_over(save, rgb, chunk):
    plain = save(rgb, "PNG")
    gamma, chroma = struct.pack(">I", 100_000), struct.pack(">8I", *range(1, 9))
    content = plain[:33] + chunk(b"gAMA", gamma) + chunk(b"cHRM", chroma) + plain[33:]
    result = written(decode(content, LIMIT), "png")
    assert decode(result, LIMIT).metadata.png_colour == ((b"gAMA", gamma), (b"cHRM", chroma))


def test_compressed_png_blocks_do_not_explode(save, rgb, chunk):
    bomb = zlib.compress(bytes(200 << 20))
    plain = save(rgb, "PNG")
    content = plain[:33] + chunk(b"iCCP", b"ICC\0\0" + bomb) + plain[33:]
    assert decode(content, LIMIT).metadata.icc is None


def test_tiff_exif_reaches_other_formats(save, rgb):
    block = Image.Exif()
    block[0x010F], block[0x0112] = "Maker", 1
    block.get_ifd(0x8769)[0x9286] = b"ASCII\0\0\0hello"
    picture = decode(save(rgb, "TIFF", exif=block.tobytes()), LIMIT)
    result = decode(written(picture, "jpg"), LIMIT)
    after = Image.Exif()
    after.load(result.metadata.exif)
    assert after[0x010F] == "Maker"
    assert after.get_ifd(0x8769)[0x9286] == b"ASCII\0\0\0hello"
    assert 0x0102 not in after  # bits per sample belong to the TIFF alone


@pytest.mark.parametrize(
    ("photometric", "kept"), [("rgb", True), ("minisblack", True), ("separated", False)]
)
def test_white_point_and_primaries_of_a_tiff_are_kept_with_its_colours(photometric, kept):
    channels = {"rgb": 3, "minisblack": 1, "separated": 4}[photometric]
    white = (318, "2I", 2, (3127, 10000, 3290, 10000), True)
    primaries = (319, "2I", 6, (64, 100, 33, 100, 30, 100, 60, 100, 15, 100, 6, 100), True)
    target = io.BytesIO()
    samples = np.full((6, 8, channels), 90, np.uint8).squeeze()
    options = {"extratags": [white, primaries], "metadata": None}
    tifffile.imwrite(target, samples, photometric=photometric, **options)
    picture = decode(target.getvalue(), 10**6)
    plan = plan_output(picture.header, (8, 6), "tif", ".tif")
    with tifffile.TiffFile(io.BytesIO(encode(picture, plan, None))) as file:
        tags = file.pages[0].tags
        assert (318 in tags and 319 in tags) == kept
        if kept:
            assert tags[318].value == white[3]
