"""OpenEXR and Radiance HDR come in as linear light, and OpenEXR goes out, without a loss."""

from __future__ import annotations

import struct
import sys

import numpy as np
import pytest
from floats import exr, exr_of, hdr, light

from esc_cli.errors import (
    MissingExtraError,
    ReadError,
    TooLargeError,
    UnsupportedError,
    WriteError,
)
from esc_cli.media.decode import decode, probe
from esc_cli.media.encode import encode
from esc_cli.media.formats import OutputPlan
from esc_cli.media.lost_content import lost
from esc_cli.media.metadata import upright
from esc_cli.media.picture import Header, Metadata, Picture

pytest.importorskip("OpenImageIO")
LIMIT = 10**6
CHROMATICITIES = struct.pack("<8f", 0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_kind_of_pixel_comes_in_exactly(kind, channels):
    pixels = light(channels)
    if channels in (2, 4):
        pixels[..., -1] = np.linspace(0, 1, 30, dtype=np.float16)
    content = exr_of(pixels.astype(kind))
    picture = decode(content, LIMIT)
    assert picture.header == probe(content, LIMIT) == Header("EXR", 30, 20, channels, 32, 1)
    np.testing.assert_array_equal(picture.frames[0], pixels)
    assert picture.notes == ()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_what_is_written_is_read_as_it_was(channels):
    pixels = np.random.default_rng(0).random((20, 30, channels), np.float32) * 99 - 1
    if channels in (2, 4):
        pixels[..., -1] = pixels[..., -1].clip(0, 1)
    header = Header("EXR", 30, 20, channels, 32, 1)
    picture = Picture(header, (pixels,), (), None, Metadata())
    content = encode(picture, OutputPlan("EXR", ".exr"), None)
    np.testing.assert_array_equal(decode(content, LIMIT).frames[0], pixels)
    assert content == encode(picture, OutputPlan("EXR", ".exr"), None)
    assert b"capDate" not in content


def test_colour_and_other_attributes_go_along_into_exr_and_are_named_elsewhere():
    owner = ("owner", "string", b"somebody")
    content = exr_of(
        light(), attributes=[("chromaticities", "chromaticities", CHROMATICITIES), owner]
    )
    picture = decode(content, LIMIT)
    again = encode(picture, OutputPlan("EXR", ".exr"), None)
    assert CHROMATICITIES in again
    assert b"somebody" in again
    assert lost(picture, "EXR") == ()
    notes = "\n".join(lost(picture, "TIFF"))
    assert "colour space (chromaticities), which TIFF does not hold" in notes
    assert "attributes of OpenEXR" in notes


@pytest.mark.parametrize(
    ("at", "display", "cut"),
    [
        ((0, 0), (0, 0, 29, 19), False),
        ((5, 7), (0, 0, 39, 29), False),
        ((-4, -3), (0, 0, 19, 9), True),
        ((3, 2), (-5, -6, 20, 30), True),
        ((100, 100), (0, 0, 9, 9), True),
    ],
)
def test_the_picture_is_what_the_display_window_shows(at, display, cut):
    pixels = light()
    picture = decode(exr_of(pixels, at=at, display=display), LIMIT)
    left, top, right, bottom = display
    shown = np.zeros((bottom - top + 1, right - left + 1, 3), np.float32)
    for row in range(shown.shape[0]):
        for column in range(shown.shape[1]):
            y, x = row + top - at[1], column + left - at[0]
            if 0 <= y < 20 and 0 <= x < 30:
                shown[row, column] = pixels[y, x]
    np.testing.assert_array_equal(picture.frames[0], shown)
    assert any("outside its display window" in note for note in picture.notes) == cut


@pytest.mark.parametrize(
    ("further", "named"),
    [("", False), ("EXPOSURE=2\n", False), ("VIEW= -vtv\n", True), ("# made by hand\n", True)],
)
def test_header_lines_of_radiance_that_are_not_kept_are_named(further, named):
    picture = decode(hdr(np.abs(light()) + 1, further=further), LIMIT)
    words = ("left out: lines of its header that tell of how it was made",)
    assert picture.notes == (words if named else ())


def test_luminance_and_chroma_are_refused_by_name_and_not_made_grey():
    planes = dict(zip(("Y", "RY", "BY"), np.moveaxis(light(), 2, 0), strict=True))
    for names in (("Y", "RY", "BY"), ("Y", "RY")):
        with pytest.raises(UnsupportedError, match="OpenEXR of luminance and chroma"):
            probe(exr({name: planes[name] for name in names}), LIMIT)


def test_further_channels_are_named_and_others_refused_with_their_names():
    planes = {name: light(1)[..., 0] for name in ("R", "G", "B", "Z", "left.R")}
    picture = decode(exr(planes), LIMIT)
    assert picture.header.channels == 3
    assert picture.notes == ("left out: 2 further channels",)
    assert decode(exr({"Z": planes["Z"]}), LIMIT).header.channels == 1
    with pytest.raises(UnsupportedError, match=r"it has forward.u, forward.v"):
        probe(exr({"forward.u": planes["Z"], "forward.v": planes["Z"]}), LIMIT)


def test_numbers_that_are_none_follow_a_rule_and_are_counted():
    pixels = light()
    pixels[0, 0] = np.nan, np.inf, -np.inf
    picture = decode(exr_of(pixels), LIMIT)
    most = np.abs(pixels[np.isfinite(pixels)]).max()
    np.testing.assert_array_equal(picture.frames[0][0, 0], [0, most, -most])
    np.testing.assert_array_equal(picture.frames[0][1:], pixels[1:])
    assert picture.notes == ("1 sample of NaN became 0", "2 samples of Inf became finite")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.99])
def test_one_that_is_cut_short_is_an_error_or_keeps_its_rows(share):
    content = exr_of(light())
    cut = content[: int(len(content) * share)]
    with pytest.raises(ReadError):
        decode(cut, LIMIT)
    if share > 0.5:
        picture = decode(cut, LIMIT, allow_truncated=True)
        assert "what is missing is empty" in picture.notes[0]


@pytest.mark.parametrize(
    ("rows", "columns", "turned"), [("-Y", "+X", 1), ("+Y", "+X", 4), ("-Y", "-X", 2)]
)
def test_radiance_is_read_and_turned_upright(rows, columns, turned):
    pixels = np.abs(light())
    picture = decode(hdr(pixels, rows, columns), LIMIT)
    assert picture.header == Header("HDR", 30, 20, 3, 32, 1)
    np.testing.assert_allclose(picture.frames[0], upright(pixels, turned), rtol=0, atol=0.1)


def test_the_limit_counts_for_what_is_stored_too():
    hidden = exr_of(light(), display=(0, 0, 3, 3))
    with pytest.raises(TooLargeError, match="data window of 30 x 20"):
        probe(hidden, 599)
    assert probe(hidden, 600).width == 4
    vast = exr_of(light(), display=(0, 0, 29_999, 19_999))
    with pytest.raises(TooLargeError, match="600,000,000 pixels, more than"):
        probe(vast, LIMIT)


def test_a_profile_that_exr_does_not_hold_is_an_error(save):
    header = Header("TIFF", 30, 20, 3, 32, 1)
    picture = Picture(header, (light(),), (), None, Metadata(icc=b"profile"))
    with pytest.raises(WriteError, match="colour profile"):
        encode(picture, OutputPlan("EXR", ".exr"), None)


@pytest.mark.parametrize("make", [exr_of, hdr])
def test_without_openimageio_reading_says_what_to_install(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    with pytest.raises(MissingExtraError, match="pip install openimageio"):
        probe(make(np.abs(light())), LIMIT)


@pytest.mark.parametrize("size", ["-Y 20 +X 30", "-Y      20 +X      30"])
@pytest.mark.parametrize("share", [1, 0.6])
def test_the_runs_of_the_first_radiance_files_are_read(share, size):
    rng = np.random.default_rng(0)
    pixels = rng.integers(2, 255, (6, 4), np.uint8)
    pixels[:, 3] = 128
    counts = [1, 301, 2, 40, 255, 1]  # 600 pixels in 20 rows of 30
    packed = b""
    for pixel, count in zip(pixels, counts, strict=True):
        digits = [(count - 1) >> shift & 255 for shift in (0, 8) if (count - 1) >> shift]
        packed += pixel.tobytes() + b"".join(bytes((1, 1, 1, digit)) for digit in digits)
    head = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n" + size.encode() + b"\n"
    content = head + packed[: int(len(packed) * share)]
    if share < 1:
        with pytest.raises(ReadError, match="cut short"):
            decode(content, LIMIT)
        return
    frame = decode(content, LIMIT).frames[0].reshape(-1, 3)
    plain = decode(head + pixels.repeat(counts, axis=0).tobytes(), LIMIT).frames[0]
    np.testing.assert_array_equal(frame, plain.reshape(-1, 3))
    assert len(np.unique(frame, axis=0)) == 6
