"""The formats that Pillow opens: JPEG, WebP, BMP, TGA, PCX, AVIF and HEIF."""

from __future__ import annotations

import contextlib
import io
import logging
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache, partial
from typing import BinaryIO, cast

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from esc_cli.errors import ReadError, UnsupportedError
from esc_cli.media import bmp_layout, heif, jpeg, jpeg_segments, pcx, tga, truncated, webp
from esc_cli.media.avif_mended import as_libavif_reads
from esc_cli.media.avif_sequence import read_sequence
from esc_cli.media.formats import load_heif
from esc_cli.media.metadata import (
    bare_exif,
    damaged_exif,
    fitting_icc,
    orientation,
    unfit_icc,
    upright_size,
)
from esc_cli.media.picture import Contents, Frame, Header, Metadata, Truncation
from esc_cli.media.profiles import PHOTOSHOP, iptc_of
from esc_cli.media.quiet_decoders import quiet

_CHANNELS = {
    **{"1": 1, "L": 1, "LA": 2, "La": 2, "P": 3, "PA": 4, "RGB": 3, "RGBX": 3, "RGBA": 4},
    **{"I;16": 1},  # HEIF of more than 8 bits, which `heif` decodes
    **{"RGBa": 4, "CMYK": 3, "YCbCr": 3, "LAB": 3, "HSV": 3},
}
_TARGET = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_WITHOUT_END = frozenset(("BMP", "TGA", "PCX"))
_REWRITTEN = {
    "BMP": bmp_layout.as_pillow_reads,
    "TGA": tga.with_plain_palette,
    "AVIF": as_libavif_reads,
}
_BESIDE = re.compile("gain map|motion photo|further picture")  # which lie behind the picture
_DEEP = {"I": "32-bit integer", "F": "32-bit floating point"}


def channels_of(image: Image.Image) -> int:
    """The channels after normalisation, from the header alone.

    Raises UnsupportedError for kinds of pixels that fit neither 8 nor 16 bits.
    """
    if image.mode not in _CHANNELS:
        kind = _DEEP.get(image.mode, f"of the type {image.mode}")
        raise UnsupportedError(
            f"{kind} pictures are not supported", advice="convert it to 8 or 16 bits per channel"
        )
    channels = _CHANNELS[image.mode]
    return channels + (channels in (1, 3) and "transparency" in image.info)


def result_icc(image: Image.Image) -> bytes | None:
    """The ICC profile that is right for the pixels of `to_frame`, from the header alone."""
    icc = image.info.get("icc_profile")
    if image.mode == "LAB" or (image.mode == "CMYK" and is_for_inks(icc)):
        return srgb_profile()
    return fitting_icc(icc, grey=channels_of(image) <= 2)


def to_frame(image: Image.Image, channels: int) -> Frame:
    """The pixels (H, W, C) in uint8, `channels` of them: R G B order, straight alpha."""
    if image.mode == "CMYK":
        image = _from_cmyk(image)
    elif image.mode == "LAB":
        image = _from_lab(image)
    elif image.mode in ("La", "RGBa"):  # premultiplied
        image = image.convert(image.mode.upper())
    if image.mode != _TARGET[channels]:
        image = image.convert(_TARGET[channels])
    frame = np.array(image)
    return frame[..., None] if frame.ndim == 2 else frame


def is_for_inks(icc: bytes | None) -> bool:
    """Whether a colour profile is one of C, M, Y and K."""
    return icc is not None and icc[16:20] == b"CMYK"


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Through the embedded profile to sRGB; without one, Pillow's plain inversion."""
    icc: bytes | None = image.info.get("icc_profile")
    if icc is None or not is_for_inks(icc):
        return image.convert("RGB")
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(icc)),
        _srgb(),
        # With black point compensation, which is what photo editors do by default.
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        "RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return cast(Image.Image, converted)


def _from_lab(image: Image.Image) -> Image.Image:
    lab = ImageCms.createProfile("LAB")
    return cast(Image.Image, ImageCms.profileToProfile(image, lab, _srgb(), outputMode="RGB"))


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """An sRGB profile, as Little CMS writes it."""
    return _srgb().tobytes()


logging.getLogger("PIL").addHandler(logging.NullHandler())
# Decompression bombs: `decode.check_pixels` has a limit that the user sets, and no warning.
Image.MAX_IMAGE_PIXELS = None


@contextlib.contextmanager
def open_image(stream: BinaryIO, format_name: str) -> Iterator[Image.Image]:
    """A lazily opened Pillow image of exactly this format; an MPO opens as its first JPEG."""
    quiet()
    if format_name == "HEIF":
        load_heif()
    with _opened(stream, format_name) as image:
        yield image


def _opened(stream: BinaryIO, format_name: str) -> Image.Image:
    try:
        return Image.open(stream, formats=(format_name,))
    except UnidentifiedImageError:
        if format_name != "JPEG":
            raise
    except OSError as error:  # of a variant that Pillow knows and does not read
        if not str(error).startswith("Unsupported"):
            raise
        raise UnsupportedError(f"this kind of {format_name} is not supported") from error
    stream.seek(0)
    return Image.open(io.BytesIO(jpeg.split(stream.read()).content), formats=("JPEG",))


def inspect(
    stream: BinaryIO, format_name: str, max_pixels: int, truncation: Truncation
) -> Contents:
    """Everything but the pixels.

    Raises UnsupportedError for kinds of pixels that do not fit 8 bits, and TooLargeError where
    opening alone would allocate more than `max_pixels`.
    """
    stream = _prepared(stream, format_name, max_pixels, truncation)
    with open_image(stream, format_name) as image:
        metadata = metadata_of(image)
        unfit = unfit_icc(image.info.get("icc_profile"), metadata.icc)
        notes = (*damaged_exif(image.info.get("exif")), *unfit, *_others(image))
        size, bits = image.size, 8
        moving = None
        if format_name == "AVIF" and getattr(image, "is_animated", False):
            moving = read_sequence(stream, getattr(image, "n_frames", 1))
        if format_name in ("AVIF", "HEIF"):
            own = None if moving is None else moving.properties
            first = heif.described(stream, format_name, size, own)
            size, bits = first.size, first.bits
            notes += first.notes
            colour = first.colour if metadata.icc is None else first.levels
            metadata = replace(metadata, png_colour=colour)
        turned = orientation(metadata.exif)
        size = upright_size(*size, turned)
        channels = channels_of(image)
    durations_ms: tuple[float, ...] = ()
    plays = 0
    if format_name == "WEBP":
        durations_ms, plays = webp.timing(stream)
    if moving is not None:
        durations_ms, plays, notes = moving.delays_ms, moving.plays, (*notes, *moving.notes)
    count = max(1, len(durations_ms))
    depth = (16, count, bits) if bits > 8 else (8, count)
    header = Header(format_name, *size, channels, *depth)
    if count == 1:
        return Contents(header, turned, metadata, notes=notes)
    return Contents(header, turned, metadata, durations_ms, plays, notes=notes)


def _prepared(
    stream: BinaryIO, format_name: str, max_pixels: int, truncation: Truncation
) -> BinaryIO:
    """The stream that Pillow opens; what it must not open raises here."""
    if format_name == "JPEG":
        jpeg.check_process(stream)
    if format_name in ("AVIF", "HEIF"):
        heif.check_kind(stream, format_name)
    if format_name == "WEBP":
        webp.check_canvas(stream, max_pixels)  # Pillow allocates it in opening
        stream = _whole_webp(stream, truncation)
    if format_name == "PCX":
        stream = pcx.whole(stream, truncation)
    if format_name in _REWRITTEN:
        stream = io.BytesIO(_REWRITTEN[format_name](stream.read()))
    return stream


def _others(image: Image.Image) -> tuple[str, ...]:
    """Notes on segments of a JPEG, and on the pictures beside the first of an MPO or HEIF file."""
    count = getattr(image, "n_frames", 1) - 1 if image.format in ("MPO", "HEIF") else 0
    others = f"left out: {count} further picture{'s' * (count > 1)} of the file"
    segments = jpeg_segments.left_out(getattr(image, "applist", ()))
    return (*segments, *((others,) if count else ()))


def metadata_of(image: Image.Image) -> Metadata:
    """The raw blocks of an opened image; the profile is the one that fits `to_frame`'s pixels."""
    xmp = image.info.get("xmp")
    return Metadata(
        icc=result_icc(image),
        exif=bare_exif(image.info.get("exif")),
        xmp=xmp if isinstance(xmp, bytes) and xmp else None,
        dpi=clean_dpi(image.info.get("dpi")),
        iptc=_iptc(image),
        comments=_comments(image),
    )


def _segments(image: Image.Image, name: str) -> tuple[bytes, ...]:
    """The payloads of a JPEG's segments of this name, in their order."""
    return tuple(payload for found, payload in getattr(image, "applist", ()) if found == name)


def _iptc(image: Image.Image) -> bytes | None:
    # A long record is spread over several segments.
    parts = (part.removeprefix(PHOTOSHOP) for part in _segments(image, "APP13"))
    return iptc_of(b"".join(parts))


def _comments(image: Image.Image) -> tuple[bytes, ...]:
    return tuple(part for part in _segments(image, "COM") if part.strip(b"\0"))


def clean_dpi(dpi: object) -> tuple[float, float] | None:
    """Both numbers as floats, or None where a file says nothing usable."""
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    across, down = float(dpi[0]), float(dpi[1])
    usable = all(1 <= number <= 65535 for number in (across, down))  # what JPEG can state
    return (across, down) if usable else None


def frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    """The composed (H, W, C) uint8 frames, not yet turned upright."""
    header = contents.header
    content = as_libavif_reads(content) if header.format == "AVIF" else content
    if header.format == "JPEG":
        yield _jpeg_frame(content, header, truncation)
    elif header.format == "WEBP" and truncated.is_cut_webp(content):
        yield from _cut_webp_frames(content, header)
    elif header.format in _WITHOUT_END:
        yield _plain_frame(content, header, truncation)
    elif header.bits == 16 and header.frames > 1:
        yield from heif.moving_frames(content, header)
    elif header.bits == 16:
        yield heif.frame(content, header, truncation)
    elif header.format == "AVIF" and header.frames == 1:
        yield heif.cropped(content, next(_complete_frames(content, header)))
    else:
        yield from _complete_frames(content, header)


def _complete_frames(content: bytes, header: Header) -> Iterator[Frame]:
    with open_image(io.BytesIO(content), header.format) as image:
        for number in range(header.frames):
            if number:
                image.seek(number)
            yield to_frame(image, header.channels)


def _whole_webp(stream: BinaryIO, truncation: Truncation) -> BinaryIO:
    content = stream.read()
    stream.seek(0)
    if not truncated.is_cut_webp(content):
        return stream
    truncation.found()
    return io.BytesIO(truncated.whole_webp(content))


def _cut_webp_frames(content: bytes, header: Header) -> Iterator[Frame]:
    """The frames of an animation that are complete, or the rows of a still."""
    if header.frames > 1:
        return _complete_frames(truncated.whole_webp(content), header)
    return iter((truncated.common_rows(partial(_filled_webp_frame, content, header)),))


def _filled_webp_frame(content: bytes, header: Header, filler: bytes) -> Frame:
    try:
        return next(_complete_frames(truncated.whole_webp(content, filler), header))
    except OSError as error:  # lossless ones are coded so that nothing stands for itself
        raise ReadError(
            "the picture is damaged: too much of it is missing to decode any"
        ) from error


def _plain_frame(content: bytes, header: Header, truncation: Truncation) -> Frame:
    if header.format == "BMP":
        content = bmp_layout.without_runs(content)
    if header.format in _REWRITTEN:
        content = _REWRITTEN[header.format](content)
    for plain in (content, tga.unpacked(content)) if header.format == "TGA" else (content,):
        with contextlib.suppress(OSError, ValueError):
            return next(_complete_frames(plain, header))
    truncation.found("the file is cut short or broken")
    # In all of these zeros are black pixels or the end of a row, of up to 5 bytes a pixel.
    filled = plain + bytes(5 * header.width * header.height + 4 * header.height)
    return next(_complete_frames(filled, header))


def _jpeg_frame(content: bytes, header: Header, truncation: Truncation) -> Frame:
    stream = jpeg.split(content)
    with open_image(io.BytesIO(stream.content), "JPEG") as image:
        if not jpeg.is_complete(stream, image):
            truncation.found()
        if stream.behind and not any(_BESIDE.search(note) for note in truncation.notes):
            truncation.notes.append(f"left out: {stream.behind:,} bytes behind the picture")
        return to_frame(image, header.channels)
