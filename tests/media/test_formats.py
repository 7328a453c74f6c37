"""The output's format and suffix are settled before any work, with a reason when they cannot be."""

from __future__ import annotations

import sys

import pytest

from esc_cli.errors import EscError, MissingExtraError, TooLargeError, UnsupportedError, UsageError
from esc_cli.media import formats
from esc_cli.media.formats import OutputPlan, plan_output
from esc_cli.media.output_formats import SUFFIXES
from esc_cli.media.picture import Header


def header(name: str, channels: int = 3, bits: int = 8, frames: int = 1) -> Header:
    return Header(name, 100, 100, channels, bits, frames)


@pytest.mark.parametrize(
    ("source", "suffix", "expected"),
    [
        (header("PNG"), ".png", OutputPlan("PNG", ".png")),
        (header("JPEG"), ".JPEG", OutputPlan("JPEG", ".JPEG")),
        (header("JPEG"), ".png", OutputPlan("JPEG", ".jpg")),
        (header("PNG", frames=3), ".apng", OutputPlan("PNG", ".apng")),
        (header("GIF"), ".gif", OutputPlan("PNG", ".png")),
        (header("GIF", frames=2), ".gif", OutputPlan("GIF", ".gif")),
        (header("WEBP", frames=2), ".webp", OutputPlan("WEBP", ".webp")),
        (header("BMP"), ".dib", OutputPlan("BMP", ".dib")),
        (header("BMP", channels=4), ".bmp", OutputPlan("PNG", ".png")),
        (header("TIFF", bits=16, frames=5), ".tif", OutputPlan("TIFF", ".tif")),
        (header("AVIF"), ".avif", OutputPlan("AVIF", ".avif")),
        (header("SOMETHING"), ".xyz", OutputPlan("PNG", ".png")),
        (header("PNG"), "", OutputPlan("PNG", ".png")),
    ],
)
def test_without_a_request_the_format_stays_where_it_can(source, suffix, expected):
    assert plan_output(source, (400, 400), None, suffix) == expected


@pytest.mark.parametrize(
    ("requested", "suffix", "expected"),
    [
        ("jpg", ".png", OutputPlan("JPEG", ".jpg")),
        ("JPEG", ".png", OutputPlan("JPEG", ".jpeg")),
        ("jpg", ".JPE", OutputPlan("JPEG", ".JPE")),
        ("tif", ".png", OutputPlan("TIFF", ".tif")),
        ("tiff", ".png", OutputPlan("TIFF", ".tiff")),
        ("WebP", ".png", OutputPlan("WEBP", ".webp")),
        ("gif", ".png", OutputPlan("GIF", ".gif")),
        ("png", ".gif", OutputPlan("PNG", ".png")),
    ],
)
def test_a_request_is_followed(requested, suffix, expected):
    assert plan_output(header("PNG", bits=16), (400, 400), requested, suffix) == expected


@pytest.mark.parametrize(
    ("source", "size", "requested", "error", "words"),
    [
        (header("PNG"), (16384, 9), "webp", TooLargeError, "16384 x 9, WEBP ends at 16383"),
        (header("PNG"), (9, 65536), "jpg", TooLargeError, "JPEG ends at 65535"),
        (header("PNG"), (65536, 9), "gif", TooLargeError, "GIF ends at 65535"),
        (header("PNG"), (32769, 9), "avif", TooLargeError, "AVIF ends at 32768"),
        (header("PNG"), (30000, 30000), "avif", TooLargeError, "268,435,456 pixels"),
        (header("PNG"), (40000, 40000), "bmp", TooLargeError, "BMP"),
        (header("PNG"), (1_000_001, 1), None, TooLargeError, "smaller scale"),
        (header("PNG", channels=4), (9, 9), "jpg", UnsupportedError, "transparency"),
        (header("PNG", channels=2), (9, 9), "bmp", UnsupportedError, "transparency"),
        (header("GIF", frames=7), (9, 9), "jpg", UnsupportedError, "animation of 7 frames"),
        (header("GIF", frames=7), (9, 9), "tiff", UnsupportedError, "animation of 7 frames"),
        (header("TIFF", frames=7), (9, 9), "png", UnsupportedError, "7 pages"),
        (header("PNG"), (9, 9), "psd", UsageError, "unknown format 'psd'"),
        (header("PNG"), (9, 9), "", UsageError, "unknown format"),
    ],
)
def test_a_request_that_cannot_be_met_is_an_error_with_advice(
    source, size, requested, error, words
):
    with pytest.raises(error, match=words) as caught:
        plan_output(source, size, requested, ".png")
    assert caught.value.advice


@pytest.mark.parametrize(
    ("source", "size"),
    [
        (header("WEBP"), (16384, 10)),
        (header("WEBP", frames=3), (16384, 10)),
        (header("JPEG"), (65536, 10)),
        (header("AVIF"), (40000, 10)),
        (header("GIF", frames=3), (70000, 10)),
        (header("BMP"), (40000, 40000)),
    ],
)
def test_without_a_request_png_takes_what_the_format_cannot_hold(source, size):
    assert plan_output(source, size, None, ".x") == OutputPlan("PNG", ".png")


def test_heif_stays_heif_where_it_can_be_written():
    pytest.importorskip("pillow_heif")
    assert plan_output(header("HEIF"), (9, 9), None, ".HEIC") == OutputPlan("HEIF", ".HEIC")
    assert plan_output(header("PNG"), (9, 9), "heif", ".png") == OutputPlan("HEIF", ".heif")


def test_heif_without_pillow_heif_is_png_or_a_clear_error(monkeypatch):
    formats.load_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert plan_output(header("HEIF"), (9, 9), None, ".heic") == OutputPlan("PNG", ".png")
    with pytest.raises(MissingExtraError, match="pip install pillow-heif"):
        plan_output(header("PNG"), (9, 9), "heic", ".png")


@pytest.mark.parametrize(
    ("source", "suffix", "expected"),
    [
        (header("EXR", bits=32), ".EXR", OutputPlan("EXR", ".EXR")),
        (header("HDR", bits=32), ".hdr", OutputPlan("EXR", ".exr")),
        (header("FITS", 1, 32), ".fits", OutputPlan("TIFF", ".tif")),
        (header("TIFF", bits=32), ".tiff", OutputPlan("TIFF", ".tiff")),
        (header("JXL", bits=32), ".jxl", OutputPlan("EXR", ".exr")),
        (header("JXL", bits=16), ".jxl", OutputPlan("JXL", ".jxl")),
    ],
)
def test_floating_point_stays_in_a_format_that_holds_it(source, suffix, expected):
    pytest.importorskip("OpenImageIO")
    assert plan_output(source, (400, 400), None, suffix) == expected


def test_exr_is_for_floating_point_alone():
    with pytest.raises(UnsupportedError, match="floating-point pictures alone"):
        plan_output(header("PNG", bits=16), (9, 9), "exr", ".png")


@pytest.mark.parametrize("name", ["EXR", "JXL"])
def test_without_openimageio_the_error_says_what_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "OpenImageIO", None)
    source = header(name, bits=32 if name == "EXR" else 8)
    assert plan_output(source, (9, 9), None, ".x") == OutputPlan("PNG", ".png")
    with pytest.raises(MissingExtraError, match="pip install openimageio"):
        plan_output(source, (9, 9), name.lower(), ".x")


def test_suffixes_are_lower_case_and_belong_to_one_format():
    every = [suffix for suffixes in SUFFIXES.values() for suffix in suffixes]
    assert len(every) == len(set(every))
    assert all(suffix == suffix.lower() and suffix[0] == "." for suffix in every)
    jpeg, rest = ".jpg .jpeg .jpe .jfif .jif .jps", ".heic .heif .hif"
    wanted = f"{jpeg} .png .apng .webp .tif .tiff .bmp .dib .gif .avif {rest} .jxl .exr"
    assert set(wanted.split()) <= set(every)  # no suffix of earlier versions is lost


def test_every_error_here_is_one_of_ours():
    with pytest.raises(EscError):
        plan_output(header("PNG"), (9, 9), "svg", ".png")


def test_a_result_is_not_named_as_the_series_it_was_one_picture_of():
    assert plan_output(header("JPEG"), (9, 9), None, ".mpo") == OutputPlan("JPEG", ".jpg")
    assert plan_output(header("TIFF"), (9, 9), None, ".btf") == OutputPlan("TIFF", ".tif")
