"""TIFF and BigTIFF, written by tifffile; EXIF goes into the first directory by hand."""

from __future__ import annotations

import io
import struct
from typing import Any, Literal

from esc_cli.media import tiff_tags
from esc_cli.media.lost_content import is_big_tiff
from esc_cli.media.metadata import descriptive, fitting_icc
from esc_cli.media.picture import Header, Picture

_XMP, _IPTC, _ICC = 700, 33723, 34675


def encode_tiff(picture: Picture, exif_block: bytes | None) -> bytes:
    """A deflated TIFF with a page for each frame, in the byte order of the EXIF block.

    Files of 4 GiB and more become BigTIFF, which cannot take over the EXIF block.
    """
    from tifffile import TiffWriter

    big = is_big_tiff(picture)
    order: Literal["<", ">"] = "<" if exif_block is None else tiff_tags.byte_order(exif_block)
    target = io.BytesIO()
    with TiffWriter(target, bigtiff=big, byteorder=order) as writer:
        for frame in picture.frames:
            writer.write(frame[..., 0] if frame.shape[2] == 1 else frame, **_page_options(picture))
    if exif_block is None or big:
        return target.getvalue()
    return _with_exif(target.getvalue(), exif_block)


def _alpha_name(header: Header) -> str:
    return "assocalpha" if header.bits == 32 else "unassalpha"


def _page_options(picture: Picture) -> dict[str, Any]:
    header, metadata = picture.header, picture.metadata
    icc = fitting_icc(metadata.icc, grey=header.channels <= 2)
    blocks = ((_ICC, 7, icc, False), (_XMP, 1, metadata.xmp, True), (_IPTC, 7, metadata.iptc, True))
    options: dict[str, Any] = {
        "photometric": "minisblack" if header.channels <= 2 else "rgb",
        "extrasamples": [_alpha_name(header)] if header.has_alpha else None,
        "planarconfig": "contig" if header.channels > 1 else None,
        "compression": "zlib",
        "predictor": True,
        "metadata": None,
        "software": False,
        # (tag, type, count, value, whether on the first page only)
        "extratags": [
            (tag, kind, len(block), block, once) for tag, kind, block, once in blocks if block
        ],
    }
    if metadata.dpi is not None:
        options |= {"resolution": metadata.dpi, "resolutionunit": 2}
    return options


def _with_exif(content: bytes, exif_block: bytes) -> bytes:
    """The same TIFF, its first directory replaced by one at the end that has the EXIF tags too."""
    order = tiff_tags.byte_order(content)
    layout, following = tiff_tags.read_directory(
        content, tiff_tags.first_directory(content), depth=0
    )
    described = descriptive(
        tiff_tags.read_directory(exif_block, tiff_tags.first_directory(exif_block))[0]
    )
    merged = {entry.tag: entry for entry in (*described, *layout)}
    content += b"\0" * (len(content) % 2)
    directory = tiff_tags.write_directory(list(merged.values()), order, len(content), following)
    pointer = struct.pack(f"{order}I", len(content))
    return b"".join((content[:4], pointer, content[8:], directory))
