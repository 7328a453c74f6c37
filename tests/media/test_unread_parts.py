"""What XMP says of pixels is corrected, and parts of a file that are not read are named."""

from __future__ import annotations

import io
import time
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile
from PIL import Image

from esc_cli.media.decode import decode
from esc_cli.media.xmp import scaled, without_promises

NAMESPACES = " ".join(
    f'xmlns:{name}="urn:{name}"'
    for name in (
        *("rdf", "GPano", "hdrgm", "GCamera", "Container", "Item", "xmpNote", "exif", "tiff", "dc"),
    )
)
PANORAMA = {
    "FullPanoWidthPixels": (4000, 8000),
    "FullPanoHeightPixels": (2001, 6003),
    "CroppedAreaImageWidthPixels": (10, 20),
    "CroppedAreaImageHeightPixels": (10, 30),
    "CroppedAreaLeftPixels": (0, 0),
    "CroppedAreaTopPixels": (7, 21),
}


def packet(attributes: str = "", elements: str = "") -> bytes:
    return (
        f'<rdf:RDF {NAMESPACES}><rdf:Description dc:title="kept" {attributes}>{elements}'
        "<dc:rights>kept too</dc:rights></rdf:Description></rdf:RDF>"
    ).encode()


@pytest.mark.parametrize("as_elements", [False, True])
def test_the_six_numbers_of_a_panorama_are_scaled(as_elements: bool) -> None:
    def made(which: int) -> bytes:
        if as_elements:
            numbers = (f"<GPano:{k}>{v[which]}</GPano:{k}>" for k, v in PANORAMA.items())
            return packet(elements="".join(numbers))
        return packet(" ".join(f'GPano:{k}="{v[which]}"' for k, v in PANORAMA.items()))

    assert scaled(made(0), (10, 10), (20, 30)) == made(1)


def test_stated_sizes_become_those_of_the_result() -> None:
    before = packet('exif:PixelXDimension="10" tiff:ImageLength="12"')
    after = packet('exif:PixelXDimension="20" tiff:ImageLength="24"')
    assert scaled(before, (10, 12), (20, 24)) == after


DIRECTORY = (
    "<Container:Directory><rdf:Seq><rdf:li><Container:Item Item:Semantic='Primary'/></rdf:li>"
    "<rdf:li><Container:Item Item:Semantic='{}'/></rdf:li></rdf:Seq></Container:Directory>"
)


@pytest.mark.parametrize(
    ("attributes", "elements", "what"),
    [
        ('hdrgm:Version="1.0"', DIRECTORY.format("GainMap"), "its gain map (HDR)"),
        ("", "<hdrgm:GainMapMax><rdf:Seq/></hdrgm:GainMapMax>", "its gain map (HDR)"),
        (
            "GCamera:MotionPhoto='1' GCamera:MotionPhotoVersion='1'",
            DIRECTORY.format("MotionPhoto"),
            "the video of a motion photo",
        ),
        ('GCamera:MicroVideo="1" GCamera:MicroVideoOffset="99"', "", "the video of a motion photo"),
        ('xmpNote:HasExtendedXMP="0123456789ABCDEF"', "", "extended XMP"),
        ("", "<xmpNote:HasExtendedXMP>01</xmpNote:HasExtendedXMP>", "extended XMP"),
    ],
)
def test_promises_of_other_parts_are_taken_out_and_named(
    attributes: str, elements: str, what: str
) -> None:
    target = io.BytesIO()
    xmp = packet(attributes, elements)
    Image.new("RGB", (8, 6)).save(target, "JPEG", xmp=xmp)
    picture = decode(target.getvalue(), 10**6)
    assert picture.notes == (f"left out: {what}",)
    assert picture.metadata.xmp is not None
    left = ElementTree.fromstring(picture.metadata.xmp)
    assert [value for element in left.iter() for value in element.attrib.values()] == ["kept"]
    assert [element.text for element in left.iter() if element.text] == ["kept too"]


def test_a_packet_without_promises_is_not_touched() -> None:
    xmp = packet('GCamera:Other="1"')
    assert without_promises(xmp) == (xmp, ())


def test_a_packet_of_elements_without_end_takes_no_time() -> None:
    xmp = b"".join(b"<hdrgm:a%d>" % number for number in range(200_000))
    start = time.perf_counter()
    assert without_promises(xmp) == (xmp, ())
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize("name", ["MPO", "HEIF"])
def test_further_pictures_of_a_file_are_named(name: str) -> None:
    target = io.BytesIO()
    if name == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    images = [Image.new("RGB", (16, 16), (number * 60, 0, 0)) for number in range(3)]
    images[0].save(target, name, save_all=True, append_images=images[1:])
    assert decode(target.getvalue(), 10**6).notes == ("left out: 2 further pictures of the file",)


@pytest.mark.parametrize("samples", [4, 5, 6])
def test_samples_beyond_colour_and_alpha_are_named(samples: int) -> None:
    target = io.BytesIO()
    kinds = ["unassalpha"] + ["unspecified"] * (samples - 4)
    pixels = np.zeros((6, 8, samples), np.uint8)
    tifffile.imwrite(target, pixels, photometric="rgb", extrasamples=kinds)
    expected = {
        4: (),
        5: ("left out: 1 further sample of each pixel",),
        6: ("left out: 2 further samples of each pixel",),
    }
    assert decode(target.getvalue(), 10**6).notes == expected[samples]
