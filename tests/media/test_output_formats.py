"""A format of results is one record: what it says of the format is what its files hold."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from esc_cli.media.decode import decode
from esc_cli.media.encode import ENCODERS, encode
from esc_cli.media.formats import OutputPlan, bits_in, require_encoder
from esc_cli.media.lost_content import lost
from esc_cli.media.output_formats import FORMATS, OutputFormat
from esc_cli.media.picture import Header, Metadata, Picture
from tests.campaign.seeds import SEEDS

ROOT = Path(__file__).parents[2]
LIMIT = 10**6
EXIF = b"MM\0*" + struct.pack(">IHHHII", 8, 1, 0x010F, 2, 6, 26) + bytes(4) + b"Maker\0"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'
P3 = (b"cICP", bytes((12, 13, 0, 1)))


@pytest.fixture(params=FORMATS)
def form(request: pytest.FixtureRequest) -> OutputFormat:
    for needed in {"EXR": ("OpenImageIO",), "JXL": ("OpenImageIO",), "HEIF": ("pillow_heif",)}.get(
        request.param, ()
    ):
        pytest.importorskip(needed)
    require_encoder(request.param)
    return FORMATS[request.param]


def picture(
    channels: int, kind: type = np.uint8, frames: int = 1, source: str = "PNG", **beside: object
) -> Picture:
    """A gradient in all values that the kind has; of floats up to 2."""
    levels = np.arange(20 * 30 * channels).reshape(20, 30, channels) % 251
    most = 2.0 if kind is np.float32 else float(np.iinfo(kind).max)
    pixels = np.ascontiguousarray((levels / 250 * most).astype(kind))
    header = Header(source, 30, 20, channels, pixels.itemsize * 8, frames)
    delays = (40.0,) * frames if frames > 1 and source != "TIFF" else ()
    shown = tuple(np.roll(pixels, 5 * number, axis=1) for number in range(frames))
    return Picture(header, shown, delays, 0 if delays else None, Metadata(**beside))  # type: ignore[arg-type]


def through(form: OutputFormat, source: Picture, quality: int | None = None) -> Picture:
    return decode(encode(source, OutputPlan(form.name, form.suffixes[0]), quality), LIMIT)


def usual(form: OutputFormat) -> type:
    return np.float32 if form.floating_alone else np.uint8


def test_every_format_has_what_makes_its_bytes_and_nothing_else_has() -> None:
    assert set(ENCODERS) == set(FORMATS)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_grey_stays_grey_and_transparency_is_kept_where_the_record_says_so(
    form: OutputFormat, channels: int
) -> None:
    if channels in (2, 4) and not form.alpha:
        pytest.skip("refused before the work")
    result = through(form, picture(channels, usual(form))).header
    grey = channels <= 2 and channels in form.grey
    assert result.format == form.name
    assert (result.width, result.height) == (30, 20)
    assert result.channels == (channels if grey or channels > 2 else channels + 2)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_samples_have_the_bits_of_the_record_and_what_is_lost_is_said(
    form: OutputFormat, kind: type
) -> None:
    if form.floating_alone and kind is not np.float32:
        pytest.skip("refused before the work")
    source = picture(3, kind)
    result = through(form, source).header
    assert (result.coded_bits or result.bits) == bits_in(form.name, source.header)
    kept = result.bits == source.header.bits and result.coded_bits is None
    assert any("bits per channel become" in note for note in lost(source, form.name)) != kept


def test_what_stands_beside_the_pixels_is_kept_or_named(form: OutputFormat) -> None:
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = None if form.floating_alone else made  # refused with one
    source = picture(3, usual(form), exif=EXIF, xmp=XMP, icc=profile)
    held = through(form, source).metadata
    named = {note.split(": ")[1].split(",")[0] for note in lost(source, form.name)}
    blocks = [(held.exif, "EXIF"), (held.xmp, "XMP")]
    for block, name in blocks + [(held.icc, "the colour profile")] * (profile is not None):
        assert (block is not None) is form.blocks
        assert (name in named) is not form.blocks


def test_a_colour_space_by_its_numbers_is_kept_or_named(form: OutputFormat) -> None:
    source = picture(3, usual(form), png_colour=(P3,))
    kept = P3 in through(form, source).metadata.png_colour
    assert kept or not form.coded_colour
    assert any("cICP" in note for note in lost(source, form.name)) is not kept


def test_a_format_without_a_quality_heeds_none(form: OutputFormat) -> None:
    source, plan = picture(3, usual(form)), OutputPlan(form.name, "")
    alike = encode(source, plan, 5) == encode(source, plan, 100)
    assert alike is (form.quality is None)
    assert encode(source, plan, form.quality) == encode(source, plan, None)


def test_frames_and_pages_are_written_where_the_record_says_so(form: OutputFormat) -> None:
    for source, able in (("PNG", form.animation), ("TIFF", form.pages)):
        if able:
            assert through(form, picture(3, usual(form), 3, source)).header.frames == 3


def test_help_names_every_format() -> None:
    page = (ROOT / "docs/esc.1").read_text(encoding="utf-8")
    (words,) = set(re.findall(r"^png, jpg.*; mkv", page, re.MULTILINE))
    listed = set(re.findall(r"\w+", words))
    assert [f.name for f in FORMATS.values() if not {s[1:] for s in f.suffixes} & listed] == []


def test_the_campaign_damages_every_format() -> None:
    damaged = {seeds.suffix for seeds in SEEDS.values() if not seeds.refused}
    assert [form.name for form in FORMATS.values() if not damaged & set(form.suffixes)] == []
