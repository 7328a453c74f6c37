"""The strips and tiles of a TIFF page (TIFF 6.0, sections 3 and 15), and which are missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from esc_cli.errors import UnsupportedError
from esc_cli.media import jpeg
from esc_cli.media.picture import Frame, Truncation, straight
from esc_cli.media.pillow import to_frame

if TYPE_CHECKING:
    from tifffile import TiffPage

_UNCOMPRESSED, _JPEG = 1, 7
_JPEGS = frozenset((6, _JPEG, 34892))  # old, new, lossy of DNG
_CHECKED = frozenset((5, 8, 32946))  # LZW and deflate
_PALETTE, _SEPARATED, _YCBCR = 3, 5, 6
_INKS = 4
_ASSOCIATED, _UNASSOCIATED = 1, 2  # ExtraSamples: premultiplied and straight alpha
_COLOUR_MAP = 320
_SEPARATE = 2
_SUBSAMPLING = 530


def check_chroma(page: TiffPage) -> None:
    """Raise UnsupportedError for what Pillow takes for damage: fewer Cb and Cr, and no JPEG."""
    given = page.tags.get(_SUBSAMPLING)
    fewer = (2, 2) if given is None else tuple(given.value)
    if page.photometric == _YCBCR and page.compression not in _JPEGS and fewer != (1, 1):
        what = "TIFF with chroma of a lower resolution, and without JPEG, is not supported"
        raise UnsupportedError(what, advice="convert it to 8 or 16 bit RGB")


def is_planar_ycbcr(page: TiffPage) -> bool:
    """Whether Y, Cb and Cr lie in three full planes of 8 bits, which Pillow takes for one."""
    subsampling = page.tags.get(_SUBSAMPLING)
    return (
        page.photometric == _YCBCR
        and page.planarconfig == _SEPARATE
        and (page.samplesperpixel, page.bitspersample) == (3, 8)
        and subsampling is not None
        and tuple(subsampling.value) == (1, 1)
    )


def has_inks_and_alpha(page: TiffPage) -> bool:
    """Whether a pixel is C, M, Y, K and opacity, 8 bits each, which Pillow does not know."""
    return (
        page.photometric == _SEPARATED
        and (page.bitspersample, page.sampleformat) == (8, 1)
        and page.samplesperpixel >= _INKS + 1
        and tuple(page.extrasamples or ())[:1] in ((_ASSOCIATED,), (_UNASSOCIATED,))
    )


def is_converted(page: TiffPage) -> bool:
    """Whether its samples become RGB by `converted`."""
    return is_planar_ycbcr(page) or has_inks_and_alpha(page)


def converted(page: TiffPage, samples: Frame, icc: bytes | None) -> Frame:
    """(H, W, C) samples as the file has them -> R, G, B and maybe opacity, 8 bits each.

    `icc` is a profile for inks.
    """
    if not has_inks_and_alpha(page):
        return from_ycbcr(samples)
    inks = samples[..., : _INKS + 1]
    return _from_inks(straight(inks) if page.extrasamples[0] == _ASSOCIATED else inks, icc)


def _from_inks(inks: Frame, icc: bytes | None) -> Frame:
    image = Image.fromarray(np.ascontiguousarray(inks[..., :_INKS]), "CMYK")
    image.info["icc_profile"] = icc
    return np.concatenate([to_frame(image, 3), inks[..., _INKS:]], axis=-1)


def from_ycbcr(samples: Frame) -> Frame:
    """(H, W, 3) Y, Cb, Cr -> R, G, B by the formula of JFIF."""
    frame: Frame = np.array(Image.fromarray(samples, "YCbCr").convert("RGB"))
    return frame


def with_wide_palettes(content: bytes, pages: list[TiffPage]) -> bytes:
    """The file with colour maps of 16 bits where they hold 8, as libtiff's tools read them too."""
    made = None
    for page in pages:
        tag = page.tags.get(_COLOUR_MAP)
        # All white in 8 bits would be black in 16.
        if tag is None or page.photometric != _PALETTE or not 0 < np.max(tag.value) < 256:
            continue
        made = made or bytearray(content)
        wide = np.asarray(tag.value, f"{page.parent.byteorder}u2").ravel() * 257
        made[tag.valueoffset : tag.valueoffset + 2 * wide.size] = wide.tobytes()
    return content if made is None else bytes(made)


def check(page: TiffPage, content: bytes, truncation: Truncation) -> None:
    """Report segments that lie outside the file, and those of which libtiff hides that they end."""
    reader = _decoded if page.compression in _CHECKED else _segments
    for _ in reader(page, content, truncation):
        pass


def _segments(
    page: TiffPage, content: bytes, truncation: Truncation
) -> Iterator[tuple[int, bytes]]:
    """(index, stored bytes) of each segment that is not empty."""
    tables = page.jpegtables or b""
    for index, (start, size) in enumerate(zip(page.dataoffsets, page.databytecounts, strict=False)):
        if size == 0:  # sparse files leave segments out
            continue
        stored = content[start : start + size]
        # Without compression, counts that are too large are common and harmless.
        short = len(stored) < size and page.compression != _UNCOMPRESSED
        if short or (
            page.compression == _JPEG and not jpeg.is_complete(jpeg.split(stored, tables))
        ):
            truncation.found()
        yield index, stored


def samples(page: TiffPage, content: bytes, truncation: Truncation) -> Frame:
    """The (H, W, C) samples in the machine's byte order; what is missing is 0.

    Missing data is reported to `truncation`; decoders' errors pass where it does not allow that.
    """
    height, width = page.imagelength, page.imagewidth
    planes = page.samplesperpixel if page.planarconfig == _SEPARATE else 1
    depth = page.samplesperpixel // planes
    result: Frame = np.zeros((planes, height, width, depth), page.dtype)
    for place, part in _decoded(page, content, truncation):
        plane, _, top, left, _ = place
        result[plane, top : top + part.shape[0], left : left + part.shape[1]] = part
    return np.moveaxis(result[..., 0], 0, 2) if planes > 1 else result[0]


def _decoded(
    page: TiffPage, content: bytes, truncation: Truncation
) -> Iterator[tuple[tuple[int, ...], Frame]]:
    """(where it starts, its pixels inside the page) of each segment; missing rows are reported."""
    tables = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader}
    for index, stored in _segments(page, content, truncation):
        wanted_bytes = _plain_bytes(page, index)
        if len(stored) < wanted_bytes:
            truncation.found()
        try:
            part, place, shape = page.decode(stored.ljust(wanted_bytes, b"\0"), index, **tables)
        except Exception:
            if not truncation.allowed:
                raise
            truncation.found("a part of the picture cannot be decoded")
            continue
        if part is None:
            continue
        wanted = (
            min(shape[1], page.imagelength - place[2]),
            min(shape[2], page.imagewidth - place[3]),
        )
        part = part[0, : wanted[0], : wanted[1]]
        if part.shape[:2] != wanted:
            truncation.found()
        yield place, part


def _plain_bytes(page: TiffPage, index: int) -> int:
    """The bytes of a segment without compression; 0 where that cannot be said."""
    if page.compression != _UNCOMPRESSED:
        return 0
    depth = 1 if page.planarconfig == _SEPARATE else page.samplesperpixel
    bits = depth * page.bitspersample
    if page.is_tiled:
        return page.tilelength * ((page.tilewidth * bits + 7) // 8)
    strips = -(-page.imagelength // page.rowsperstrip)
    rows = min(page.rowsperstrip, page.imagelength - index % strips * page.rowsperstrip)
    return rows * ((page.imagewidth * bits + 7) // 8)
