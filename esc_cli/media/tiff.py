"""TIFF (TIFF 6.0 and its supplements): grey and RGB by tifffile, every other kind by Pillow."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import UnidentifiedImageError

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError
from esc_cli.media import tiff_segments, tiff_tags
from esc_cli.media.floating import light_of
from esc_cli.media.metadata import (
    COLORIMETRY_TAGS,
    exif_of_tiff,
    fitting_icc,
    in_range,
    unfit_icc,
    upright_size,
)
from esc_cli.media.picture import (
    Contents,
    Frame,
    Header,
    Metadata,
    Truncation,
    full_range,
    straight,
)
from esc_cli.media.pillow import (
    channels_of,
    clean_dpi,
    is_for_inks,
    metadata_of,
    open_image,
    srgb_profile,
    to_frame,
)

if TYPE_CHECKING:
    from tifffile import TiffPage

# tifffile logs what it finds odd; without a handler Python would print that.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_PHOTOMETRIC, _EXTRA_SAMPLES = 262, 338
_XMP, _IPTC, _ICC = 700, 33723, 34675
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB = 0, 1, 2
_OF_RGB = frozenset((0, 1, 2, 3, 6))  # grey, RGB, palette, YCbCr: no other colours than RGB
_COLOURS = {2: 3, 5: 4, 6: 3, 8: 3, 9: 3, 10: 3}  # RGB, CMYK, YCbCr and the three of L*a*b*
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples: premultiplied and straight alpha
_SAMPLES = 4  # of a pixel, at most, where no sample is dropped
_REDUCED = 1  # NewSubfileType
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # SampleFormat
_FLOAT_BITS = (16, 24, 32, 64)
_FAX = (2, 3, 4)  # Compression: for two levels of grey alone
_OF_PILLOW = (1, 2, 4)  # bits of grey that it reads, fax among them
_CONVERT = "convert it to 8 or 16 bit RGB"
_PER_INCH = {2: 1.0, 3: 2.54}  # ResolutionUnit: inch, centimetre


def inspect(stream: BinaryIO, max_pixels: int) -> Contents:
    """Everything but the pixels of the full-size pages.

    Raises UnsupportedError when pages differ or hold what fits neither 8 nor 16 bits, and
    TooLargeError when a tile, or the samples of a page, take more than `max_pixels` would.
    """
    pages = _pages(stream)
    first = pages[0]
    _check_allocation(pages, max_pixels)
    if _PHOTOMETRIC not in first.tags and first.samplesperpixel > 1:
        what = "a TIFF that does not tell what its samples mean (PhotometricInterpretation)"
        raise UnsupportedError(f"{what} is not supported", advice=_CONVERT)
    turned = _orientation(first)
    size = upright_size(first.imagewidth, first.imagelength, turned)
    if _is_direct(first):
        channels = _direct_channels(first)
        metadata = _metadata(first, grey=channels <= 2)
        bits = 8 if first.bitspersample <= 8 else 16
        bits = 32 if first.sampleformat == _FLOAT else bits
        header = Header("TIFF", *size, channels, bits, len(pages))
        unfit = unfit_icc(_block(first, _ICC), metadata.icc)
        return Contents(header, turned, metadata, notes=(*unfit, *_notes(first)))
    if first.bitspersample > 8:
        raise _too_deep(first)
    tiff_segments.check_chroma(first)
    if tiff_segments.is_converted(first):
        channels = 3 + tiff_segments.has_inks_and_alpha(first)
        header = Header("TIFF", *size, channels, 8, len(pages))
        icc = srgb_profile() if is_for_inks(_block(first, _ICC)) else None
        metadata = _metadata(first, grey=False, icc=icc)
        unfit = unfit_icc(_block(first, _ICC), metadata.icc)
        return Contents(header, turned, metadata, notes=(*unfit, *_further_samples(first)))
    stream.seek(0)
    with _known(first), open_image(stream, "TIFF") as image:
        image.seek(first.index)
        channels, icc = channels_of(image), metadata_of(image).icc
        # Pillow turns these pages upright itself, where the tag is a plain number.
        left = 1 if isinstance(_tag(first, tiff_tags.ORIENTATION), int) else turned
    metadata = _metadata(first, grey=channels <= 2, icc=icc)
    return Contents(
        Header("TIFF", *size, channels, 8, len(pages)),
        left,
        metadata,
        notes=(*unfit_icc(_block(first, _ICC), metadata.icc), *_further_samples(first)),
    )


@contextlib.contextmanager
def _known(page: TiffPage) -> Iterator[None]:
    """What tifffile has read and Pillow does not identify is of a kind that it does not know."""
    try:
        yield
    except UnidentifiedImageError as error:
        what = f"TIFF with {page.bitspersample} bits per channel ({_colours(page)})"
        raise UnsupportedError(f"{what} is not supported", advice=_CONVERT) from error


def _colours(page: TiffPage) -> str:
    return str(getattr(page.photometric, "name", page.photometric))


def _pages(stream: BinaryIO) -> list[TiffPage]:
    """The full-size pages, all of one kind; the file's own order."""
    from tifffile import TiffFile, TiffPage

    tiff_tags.check_chain(stream)
    stream.seek(0)
    # With a name of its own tifffile does not ask the stream for one.
    tiff = TiffFile(stream, name="TIFF")
    pages = [page for page in tiff.pages if isinstance(page, TiffPage)]
    stream.seek(tiff.pages.next_page_offset or 0)
    if any(stream.read(tiff.tiff.offsetsize)):  # tifffile drops pages that it cannot reach
        raise ReadError("the picture is damaged: the file is cut short")
    full = [page for page in pages if not int(page.subfiletype) & _REDUCED]
    if not full:
        raise UnsupportedError("a TIFF without a full-size page is not supported")
    if len({_kind(page) for page in full}) > 1:
        raise UnsupportedError(
            "the pages of this TIFF differ in size or type", advice="save each page as a file"
        )
    if full[0].sampleformat == _SIGNED and full[0].bitspersample <= 16:
        what = "a TIFF with signed samples is not supported"
        raise UnsupportedError(what, advice=_CONVERT)
    if full[0].imagewidth == 0 or full[0].imagelength == 0:
        raise ReadError("the picture is damaged: its size is zero")
    return full


def _check_allocation(pages: list[TiffPage], max_pixels: int) -> None:
    """What tifffile and libtiff allocate follows these numbers, not the size of the page."""
    first = pages[0]
    for name, width, height in (
        ("a page", first.imagewidth, first.imagelength),
        ("a tile", first.tilewidth, first.tilelength),
    ):
        samples = width * height * first.samplesperpixel * first.imagedepth
        if samples > _SAMPLES * max_pixels:
            what = f"{name} of {width} x {height} with {first.samplesperpixel} samples each"
            raise TooLargeError(
                f"{what} is more than the limit of {max_pixels:,} pixels",
                advice="raise it with --max-pixels",
            )


def _kind(page: TiffPage) -> tuple[Any, ...]:
    depth = (page.bitspersample, page.sampleformat, page.samplesperpixel, page.extrasamples)
    turned = _orientation(page)
    return page.imagewidth, page.imagelength, page.imagedepth, page.photometric, turned, *depth


def _orientation(page: TiffPage) -> int:
    """1 to 8; the first number of an entry of any type, 1 where that is none of them."""
    value = _tag(page, tiff_tags.ORIENTATION)
    if isinstance(value, tuple | bytes) and value:
        value = value[0]
    return in_range(value) if isinstance(value, int) else 1


def _tag(page: TiffPage, code: int) -> Any:
    tag = page.tags.get(code)
    return None if tag is None else tag.value


def _block(page: TiffPage, code: int) -> bytes | None:
    value = _tag(page, code)
    if isinstance(value, str):
        value = value.encode()
    return bytes(value) if isinstance(value, bytes | tuple) and value else None


def _is_direct(page: TiffPage) -> bool:
    """Whether the samples are grey or RGB as they stand: up to 16 bits, or floating point."""
    if page.imagedepth != 1:
        return False
    if page.sampleformat == _FLOAT:
        return page.photometric in (_MIN_IS_BLACK, _RGB) and page.bitspersample in _FLOAT_BITS
    if page.sampleformat != _UNSIGNED or page.dtype is None or page.bitspersample > 16:
        return False
    if page.predictor != 1 and page.bitspersample not in (8, 16):  # nobody agrees on these
        return False
    if page.photometric == _RGB:
        return page.bitspersample > 1 or page.compression not in _FAX
    grey = page.photometric in (_MIN_IS_WHITE, _MIN_IS_BLACK)
    return grey and (page.bitspersample not in _OF_PILLOW or page.samplesperpixel > 1)


def _direct_channels(page: TiffPage) -> int:
    return (3 if page.photometric == _RGB else 1) + (_alpha_kind(page) is not None)


def _alpha_kind(page: TiffPage) -> int | None:
    """The kind of alpha of the first extra sample; other extra samples are dropped.

    One sample too many of which the file says nothing is straight alpha, as libvips reads it.
    """
    if _EXTRA_SAMPLES not in page.tags:
        alone = page.samplesperpixel == (4 if page.photometric == _RGB else 2)
        return _UNASSOCIATED if alone else None
    kind = int(page.extrasamples[0]) if page.extrasamples else None
    return kind if kind in (_ASSOCIATED, _UNASSOCIATED) else None


def _further_samples(page: TiffPage) -> tuple[str, ...]:
    """A note on the samples of a pixel beyond colour and alpha."""
    colours = _COLOURS.get(int(page.photometric or 0), 1)
    count = page.samplesperpixel - colours - (_alpha_kind(page) is not None)
    what = f"left out: {count} further sample{'s' * (count > 1)} of each pixel"
    return (what,) if count > 0 else ()


def _notes(page: TiffPage) -> tuple[str, ...]:
    wide = page.sampleformat == _FLOAT and page.bitspersample > 32
    what = f"its {page.bitspersample} bits per sample become floating-point numbers of 32"
    return (*_further_samples(page), *((what,) if wide else ()))


def _too_deep(page: TiffPage) -> UnsupportedError:
    kind = "floating point" if page.sampleformat == _FLOAT else "bits per channel"
    what = f"TIFF with {page.bitspersample}-bit {kind}"
    if kind != "floating point":
        what = f"TIFF with {page.bitspersample} {kind} ({_colours(page)})"
    return UnsupportedError(f"{what} is not supported", advice=_CONVERT)


def _metadata(page: TiffPage, grey: bool, icc: bytes | None = None) -> Metadata:
    unit = _PER_INCH.get(int(_tag(page, 296) or 2))
    across, down = _ratio(_tag(page, 282)), _ratio(_tag(page, 283))
    dpi = clean_dpi((across * unit, down * unit)) if unit and across and down else None
    return Metadata(
        icc=icc or fitting_icc(_block(page, _ICC), grey), xmp=_block(page, _XMP), dpi=dpi
    )


def _ratio(value: Any) -> float:
    return value[0] / value[1] if isinstance(value, tuple) and len(value) == 2 and value[1] else 0.0


def exif(content: bytes) -> bytes | None:
    """The descriptive tags, EXIF and GPS of the first full-size page as an EXIF block."""
    page = _pages(io.BytesIO(content))[0]
    kept = page.photometric in _OF_RGB
    return exif_of_tiff(content, page.offset, frozenset() if kept else COLORIMETRY_TAGS)


def frames(content: bytes, contents: Contents, truncation: Truncation) -> Iterator[Frame]:
    """The (H, W, C) pages, not yet turned upright.

    Raises ReadError when data is missing, where tifffile would leave black instead.
    """
    pages = _pages(io.BytesIO(content))
    if _is_direct(pages[0]) or tiff_segments.is_converted(pages[0]):
        for page in pages:
            samples = tiff_segments.samples(page, content, truncation)  # (H, W, C)
            if tiff_segments.is_converted(page):
                yield tiff_segments.converted(page, samples, _block(page, _ICC))
            elif contents.header.bits == 32:
                alpha = _alpha_kind(page)
                used = samples[..., : contents.header.channels]
                yield light_of(used, truncation, alpha is not None, alpha == _UNASSOCIATED)
            else:
                yield _direct_frame(page, samples)
        return
    for page in pages:
        tiff_segments.check(page, content, truncation)
    content = tiff_segments.with_wide_palettes(content, pages)
    with open_image(io.BytesIO(content), "TIFF") as image:
        for page in pages:
            image.seek(page.index)
            yield to_frame(image, contents.header.channels)


def _direct_frame(page: TiffPage, samples: Frame) -> Frame:
    colours = 3 if page.photometric == _RGB else 1
    alpha = _alpha_kind(page)
    used = samples[..., : colours + (alpha is not None)]
    frame: Frame = np.array(full_range(used, page.bitspersample), order="C")
    if page.photometric == _MIN_IS_WHITE:
        frame[..., 0] = np.iinfo(frame.dtype).max - frame[..., 0]
    return straight(frame) if alpha == _ASSOCIATED else frame
