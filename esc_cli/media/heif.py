"""AVIF and HEIF of 10 and 12 bits per channel, and with a colour space; Pillow has neither."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import numpy as np
from PIL import Image

from esc_cli.errors import ReadError, TooLargeError, UnsupportedError
from esc_cli.media.avif_items import with_metadata
from esc_cli.media.formats import bits_in, load_heif
from esc_cli.media.heif_boxes import (
    Primary,
    Properties,
    clean_aperture,
    coded_colour,
    further_pictures,
    primary,
    stored_bits,
)
from esc_cli.media.light_levels import boxes_of, chunks_of, heif_options
from esc_cli.media.metadata import fitting_icc
from esc_cli.media.picture import Frame, Header, Metadata, Picture, Truncation, to_eight_bits

_CODECS = (  # by item type (ISO/IEC 23008-12, 23001-17) or by the box of their configuration
    ((b"unci", b"uncC"), "uncompressed samples"),
    ((b"av01", b"av1C"), "AV1"),
    ((b"avc1", b"avcC"), "H.264"),
    ((b"vvc1", b"vvcC"), "H.266"),
    ((b"jpeg", b"jpgC"), "JPEG"),
    ((b"j2k1", b"j2kH"), "JPEG 2000"),
)
# libavif's defaults, as AVIF_DEFAULT_IMAGE_SIZE_LIMIT and _DIMENSION_LIMIT.
_MOST_PIXELS, _MOST_SIDE = 16_384 * 16_384, 32_768
_SPEED = 6  # of libaom, 0 to 10; Pillow's own too
_SRGB, _SRGB_TRANSFER, _BT601, _BT2020 = 1, 13, 6, 9  # ITU-T H.273


@dataclass(frozen=True)
class Described:
    """What the boxes say of the first picture: (width, height), bits per channel, notes.

    `colour` are PNG chunks, those of `levels`, which hold beside an ICC profile too, among them.
    """

    size: tuple[int, int]
    bits: int
    colour: tuple[tuple[bytes, bytes], ...]
    levels: tuple[tuple[bytes, bytes], ...]
    notes: tuple[str, ...]


def described(
    stream: BinaryIO, format_name: str, size: tuple[int, int], of_track: Properties | None = None
) -> Described:
    """`size` is Pillow's (width, height); what libavif does not crop comes cropped.

    of_track: the properties of an animation, whose frames are no items.
    """
    first = primary(stream) if of_track is None else Primary(properties=of_track)
    if format_name == "AVIF" and of_track is None:
        box = clean_aperture(first.properties, *size)
        size = box.width, box.height
    further = further_pictures(stream) if format_name == "AVIF" else 0  # libheif counts its own
    beside = (f"{further} further picture{'s' * (further > 1)} of the file",) if further else ()
    notes = tuple(f"left out: {what}" for what in (*first.others, *beside))
    levels = chunks_of(first.properties)
    colour = (*coded_colour(first.properties), *levels)
    return Described(size, stored_bits(first.properties), colour, levels, notes)


def check_kind(stream: BinaryIO, format_name: str) -> None:
    """Raise UnsupportedError for codecs that no decoder here knows, TooLargeError for a size."""
    first = primary(stream)
    found = {first.kind, *(kind for kind, _ in first.properties)}
    for kinds, name in _CODECS if format_name == "HEIF" else ():
        if not found.isdisjoint(kinds):
            raise UnsupportedError(f"HEIF with {name} is not supported")
    spatial = dict(first.properties).get(b"ispe", b"")
    width, height = struct.unpack_from(">II", spatial, 4) if len(spatial) == 12 else (0, 0)
    most = _MOST_PIXELS if format_name == "AVIF" else None
    if most is not None and (width * height > most or max(width, height) > _MOST_SIDE):
        raise TooLargeError(f"{width} x {height} is more than the decoder of AVIF reads")


def cropped(content: bytes, frame: Frame) -> Frame:
    """The part of an AVIF's (H, W, C) pixels that is meant to be seen."""
    properties = primary(io.BytesIO(content)).properties
    return clean_aperture(properties, frame.shape[1], frame.shape[0]).cut(frame)


def frame(content: bytes, header: Header, truncation: Truncation) -> Frame:
    """The (H, W, C) pixels in uint16, 0..65535, straight alpha, cropped, not yet turned upright.

    Where the decoder of all bits fails, those of Pillow's 8, with a note.
    """
    if header.format == "HEIF":
        samples, bits = _heif_samples(content)
    else:
        samples, bits = _avif_samples(content, truncation)
        samples = cropped(content, samples[..., None] if samples.ndim == 2 else samples)
    return _wide(samples, header, bits)


def moving_frames(content: bytes, header: Header) -> Iterator[Frame]:
    """The frames of an animated AVIF, as `frame`; neither cropped nor turned, as libavif has them.

    All are decoded at once: asked for one of them, imagecodecs breaks off on some files.
    """
    import imagecodecs

    frames = imagecodecs.avif_decode(content)
    if len(frames) != header.frames:
        raise ReadError("the picture is damaged: its frames do not fit their times")
    for samples in frames:
        yield _wide(samples, header, header.coded_bits or 8)


def _wide(samples: Frame, header: Header, bits: int) -> Frame:
    samples = samples[..., None] if samples.ndim == 2 else samples
    if header.channels > 2 and samples.shape[2] <= 2:
        order = (0, 0, 0) if header.channels == 3 else (0, 0, 0, samples.shape[2] - 1)
        samples = samples[..., order]
    return _in_sixteen_bits(samples[..., : header.channels], bits)


def _in_sixteen_bits(samples: Frame, bits: int) -> Frame:
    top = 2**bits - 1
    wide: Frame = (samples.astype(np.uint32) * 65535 + top // 2) // top
    return wide.astype(np.uint16)


def _avif_samples(content: bytes, truncation: Truncation) -> tuple[Frame, int]:
    import imagecodecs

    bits = stored_bits(primary(io.BytesIO(content)).properties)
    try:
        return imagecodecs.avif_decode(content, index=0), bits
    except imagecodecs.AvifError:  # stricter than Pillow about the container
        with Image.open(io.BytesIO(content), formats=("AVIF",)) as image:
            eight_bits: Frame = np.array(image)
        truncation.notes.append(f"its {bits} bits per channel are read as 8")
        return eight_bits, 8


def _heif_samples(content: bytes) -> tuple[Frame, int]:
    load_heif()
    import pillow_heif

    # Without `hdr_to_16bit`, which shifts: full would be 65472 then.
    file = pillow_heif.open_heif(content, convert_hdr_to_8bit=False, hdr_to_16bit=False)
    image = file[file.primary_index]
    samples: Frame = np.asarray(image)
    bits = 8 if samples.dtype == np.uint8 else cast(int, image.info["bit_depth"])
    return (_straight(samples, bits) if image.premultiplied_alpha else samples), bits


def _straight(samples: Frame, bits: int) -> Frame:
    alpha = samples[..., -1:].astype(np.uint32)
    colour = (samples[..., :-1] * np.uint32(2**bits - 1) + alpha // 2) // np.maximum(alpha, 1)
    colour = np.minimum(colour, 2**bits - 1).astype(samples.dtype)
    return np.concatenate([colour, samples[..., -1:]], axis=-1)


def needs_more_than_pillow(picture: Picture) -> bool:
    """Whether there are 16 bits, or a colour space or light levels, which Pillow does not write."""
    said = {kind for kind, _ in picture.metadata.png_colour}
    return picture.frames[0].dtype == np.uint16 or not said.isdisjoint((b"cICP", b"cLLI", b"mDCV"))


def _coded(metadata: Metadata) -> tuple[int, int] | None:
    """(primaries, transfer) of the cICP chunk, which goes before an ICC profile (PNG, 4.3)."""
    chunk = dict(metadata.png_colour).get(b"cICP")
    return None if chunk is None else (chunk[0], chunk[1])


def encode(picture: Picture, format_name: str, quality: int, exif: bytes | None) -> bytes:
    """An AVIF (4:4:4) or HEIF of the first frame, RGB or RGBA, at `formats.bits_in` its header.

    `exif` is a TIFF structure without prefix. Raises what the codecs raise.
    """
    pixels, metadata = picture.frames[0], picture.metadata
    bits = bits_in(format_name, picture.header)
    if bits == 8:
        pixels = to_eight_bits(pixels)
    primaries, transfer = _coded(metadata) or (_SRGB, _SRGB_TRANSFER)
    matrix = _BT2020 if primaries == _BT2020 else _BT601
    icc = None if _coded(metadata) else fitting_icc(metadata.icc, grey=False)
    if format_name == "AVIF":
        import imagecodecs

        avif = imagecodecs.avif_encode(
            _rounded(pixels, bits),
            level=quality,
            speed=_SPEED,
            bitspersample=bits,
            pixelformat="yuv444",
            primaries=primaries,
            transfer=transfer,
            matrix=matrix,
        )
        profile = () if icc is None else ((b"colr", b"prof" + icc),)
        properties = (*profile, *boxes_of(metadata.png_colour))
        return with_metadata(bytes(avif), properties, exif, metadata.xmp)
    options = {"exif": exif, "xmp": metadata.xmp, "icc_profile": icc}
    colour = {
        "color_primaries": primaries,
        "transfer_characteristics": transfer,
        "matrix_coefficients": matrix,
        "full_range_flag": 1,
    }
    levels = heif_options(metadata.png_colour)
    return _encode_heif(pixels, bits, quality=quality, **options, **colour, **levels)


def _rounded(pixels: Frame, bits: int) -> Frame:
    if pixels.dtype == np.uint8:
        return pixels
    top = 2**bits - 1
    rounded: Frame = (pixels.astype(np.uint32) * top + 32767) // 65535
    return rounded.astype(np.uint16)


def _encode_heif(pixels: Frame, bits: int, **options: Any) -> bytes:
    load_heif()
    import pillow_heif

    mode = ("RGBA" if pixels.shape[2] == 4 else "RGB") + (";16" if bits > 8 else "")
    size = pixels.shape[1], pixels.shape[0]
    # libheif cuts off the low bits of 16, where rounding is wanted.
    stored = pixels if bits == 8 else _in_sixteen_bits(_rounded(pixels, bits), bits)
    target = io.BytesIO()
    given = {name: value for name, value in options.items() if value is not None}
    pillow_heif.from_bytes(mode, size, stored.tobytes()).save(target, bit_depth=bits, **given)
    return target.getvalue()
