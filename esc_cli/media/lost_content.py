"""What a result's format has no place for, in words for the user."""

from __future__ import annotations

from esc_cli.media.formats import bits_in
from esc_cli.media.jxl_encode import holds_colour
from esc_cli.media.metadata import EXIF_PREFIX, fitting_icc
from esc_cli.media.output_formats import FORMATS
from esc_cli.media.picture import Header, Metadata, Picture
from esc_cli.media.profiles import PHOTOSHOP, resources_of

# A JPEG segment states its length, itself included, in 16 bits; both begin with a name.
JPEG_SEGMENT_BYTES = 65533
JPEG_EXIF_BYTES = JPEG_SEGMENT_BYTES - len(EXIF_PREFIX)
JPEG_XMP_BYTES = JPEG_SEGMENT_BYTES - len(b"http://ns.adobe.com/xap/1.0/\0")
CLASSIC_BYTES = 2**32 - 2**25
"""Pixels above which a TIFF becomes BigTIFF: offsets of 32 bits, with room for directories."""


def lost(picture: Picture, format_name: str) -> tuple[str, ...]:
    """A note for each kind of metadata that `encode` leaves out of a result of this format.

    `picture` is the result. Empty when all is kept.
    """
    metadata = picture.metadata
    missing = [*_blocks(picture, format_name), *_texts(metadata, format_name)]
    notes = [f"left out: {what}, which {format_name} does not hold" for what in missing]
    notes += _depth(picture.header, format_name)
    if format_name == "JPEG":
        sizes = (
            ("EXIF", metadata.exif, JPEG_EXIF_BYTES),
            ("XMP", metadata.xmp, JPEG_XMP_BYTES),
            ("IPTC", metadata.iptc, JPEG_SEGMENT_BYTES - len(PHOTOSHOP + resources_of(b"")) - 1),
            *(("a comment", comment, JPEG_SEGMENT_BYTES) for comment in metadata.comments),
        )
        notes += [
            f"left out: {name}, whose {len(block):,} bytes are more than JPEG holds"
            for name, block, most in sizes
            if block is not None and len(block) > most
        ]
    if format_name == "TIFF" and metadata.exif is not None and is_big_tiff(picture):
        notes.append("left out: EXIF, which a TIFF of 4 GiB and more does not hold")
    return tuple(notes)


def is_big_tiff(picture: Picture) -> bool:
    """Whether the result needs offsets of 64 bits."""
    return sum(frame.nbytes for frame in picture.frames) > CLASSIC_BYTES


def _depth(header: Header, format_name: str) -> tuple[str, ...]:
    own, held = header.coded_bits or header.bits, bits_in(format_name, header)
    if held == own:
        return ()
    notes = (f"its {own} bits per channel become {held}",) if held < own else ()
    cut = "what is below 0 or above 1 is cut off, and linear light becomes sRGB"
    return (*notes, cut) if own == 32 else notes


def _blocks(picture: Picture, format_name: str) -> list[str]:
    metadata, form = picture.metadata, FORMATS[format_name]
    plain, grey = not form.blocks, picture.header.channels in form.grey
    unfit = metadata.icc is not None and (plain or fitting_icc(metadata.icc, grey) is None)
    said = dict(metadata.png_colour)
    coded, levels = b"cICP" in said, b"cLLI" in said or b"mDCV" in said
    names = {name for name, _, _ in metadata.attributes} if format_name != "EXR" else set()
    if format_name == "JXL":
        coded = coded and (grey or not holds_colour(said[b"cICP"]))
    named = (
        ("EXIF", plain and metadata.exif is not None),
        ("XMP", plain and metadata.xmp is not None),
        ("the colour profile", unfit),
        ("its colour space (cICP or nclx)", coded and not form.coded_colour),
        ("its colour space (chromaticities)", "chromaticities" in names),
        ("attributes of OpenEXR or Radiance", bool(names)),
        ("its light levels (HDR)", levels and not form.coded_colour),
    )
    return [name for name, gone in named if gone]


def _texts(metadata: Metadata, format_name: str) -> list[str]:
    named = (
        ("PNG texts", metadata.png_text, ("PNG",)),
        ("its time (PNG's tIME)", metadata.png_time, ("PNG",)),
        ("the colour of its background", metadata.background, ("PNG",)),
        ("IPTC", metadata.iptc, ("JPEG", "PNG", "TIFF")),
        ("comments", metadata.comments, ("JPEG", "PNG", "GIF")),
    )
    return [name for name, block, holders in named if block and format_name not in holders]
