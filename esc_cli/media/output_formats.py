"""The formats of results: one record each. Tables; no codec is loaded.

A new format is an entry of `FORMATS`, and its bytes one of `encode.ENCODERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class OutputFormat:
    """What is known of a format, and what a result in it can hold.

    suffixes: every one that a result may have, in lower case; the first is canonical. max_side,
    max_pixels: limits of width and height, and of their product. grey: the channels of grey
    pictures that stay grey, 1 and 2 with alpha; others become R, G and B. deep_bits: the most per
    channel that whole numbers have. floating: floating-point samples stay so; floating_alone:
    nothing else is written. blocks: EXIF, XMP and an ICC profile have a place. coded_colour: so
    have a colour space by its numbers and the light levels of HDR. quality: where none is asked
    for; None where it has no such setting. compressed: packing it once more saves nothing.
    bytes_per_pixel: of photographs, for the look at the disk; None for as many as the samples take.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    max_pixels: int | None = None
    alpha: bool = True
    animation: bool = False
    pages: bool = False
    grey: tuple[int, ...] = ()
    deep_bits: int = 8
    floating: bool = False
    floating_alone: bool = False
    blocks: bool = False
    coded_colour: bool = False
    quality: int | None = None
    compressed: bool = False
    bytes_per_pixel: float | None = None


FORMATS: Mapping[str, OutputFormat] = {
    form.name: form
    for form in (
        OutputFormat(
            "PNG",
            (".png", ".apng"),
            # libpng refuses to read more by default (PNG_USER_WIDTH_MAX).
            max_side=1_000_000,
            animation=True,
            grey=(1, 2),
            deep_bits=16,
            blocks=True,
            coded_colour=True,
            compressed=True,
            bytes_per_pixel=2.0,
        ),
        # The quality of lossy formats: high enough that the codec does not undo what the network
        # drew; 100 is lossless for WebP and JPEG XL only.
        OutputFormat(
            "JPEG",
            (".jpg", ".jpeg", ".jpe", ".jfif", ".jif", ".jps"),
            max_side=65_535,
            alpha=False,
            grey=(1,),
            blocks=True,
            quality=95,
            compressed=True,
            bytes_per_pixel=1.0,
        ),
        OutputFormat(
            "WEBP",
            (".webp",),
            max_side=16_383,  # RFC 9649: VP8 stores 14 bits
            animation=True,
            blocks=True,
            quality=95,
            compressed=True,
            bytes_per_pixel=0.5,
        ),
        OutputFormat(
            "TIFF",
            (".tif", ".tiff"),
            max_side=2**31 - 1,
            pages=True,
            grey=(1, 2),
            deep_bits=16,
            floating=True,
            blocks=True,
        ),
        OutputFormat(
            "BMP",
            (".bmp", ".dib"),
            max_side=2**31 - 1,
            # The header states the size of the file in 32 bits, at 3 bytes a pixel and padding.
            max_pixels=2**32 // 3 - 2**22,
            alpha=False,
            grey=(1,),
        ),
        OutputFormat(
            "GIF",
            (".gif",),
            max_side=65_535,
            animation=True,
            compressed=True,
            bytes_per_pixel=1.0,
        ),
        OutputFormat(
            "AVIF",
            (".avif",),
            # What libavif reads by default (AVIF_DEFAULT_IMAGE_DIMENSION_LIMIT and _SIZE_LIMIT).
            max_side=32_768,
            max_pixels=16_384 * 16_384,
            deep_bits=12,  # needs the professional profile of AV1, which decoders in software have
            blocks=True,
            coded_colour=True,
            quality=90,
            compressed=True,
            bytes_per_pixel=0.5,
        ),
        OutputFormat(
            "HEIF",
            (".heic", ".heif", ".hif"),
            # HEVC level 6.2 ends at sqrt(8 * 35651584) = 16888; x265 rounds up to whole coding
            # units.
            max_side=16_384,
            # HEVC of more is decoded hardly anywhere, so that it is not chosen unless the source
            # has it.
            deep_bits=10,
            blocks=True,
            coded_colour=True,
            quality=90,
            compressed=True,
            bytes_per_pixel=1.0,
        ),
        OutputFormat(
            "JXL",
            (".jxl",),
            # Level 5 of ISO/IEC 18181-1, annex M: what every decoder is to read.
            max_side=2**18,
            max_pixels=2**28,
            grey=(1,),
            deep_bits=16,
            blocks=True,
            quality=100,
            compressed=True,
            bytes_per_pixel=1.0,
        ),
        OutputFormat(
            "EXR",
            (".exr",),
            max_side=2**31 - 1,
            grey=(1, 2),
            floating=True,
            floating_alone=True,
            compressed=True,
        ),
    )
}
"""Every format by name."""

SUFFIXES: Mapping[str, tuple[str, ...]] = {form.name: form.suffixes for form in FORMATS.values()}
"""Every suffix that a result may have, by format."""
