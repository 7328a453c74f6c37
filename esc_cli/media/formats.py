"""Which format and suffix a result gets, decided before any work. Tables; no codec is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from esc_cli.errors import EscError, MissingExtraError, TooLargeError, UnsupportedError, UsageError
from esc_cli.media.output_formats import FORMATS, SUFFIXES
from esc_cli.media.picture import Header


@lru_cache(maxsize=1)
def load_heif() -> None:
    """Teach Pillow HEIF; MissingExtraError with the install line when pillow-heif is missing."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError as error:
        raise MissingExtraError(
            "HEIF pictures need the package pillow-heif", advice="pip install pillow-heif"
        ) from error
    register_heif_opener()


def load_raw() -> Any:
    """The module `rawpy`; MissingExtraError with the install line when it is not there."""
    try:
        import rawpy
    except ImportError as error:
        raise MissingExtraError(
            "camera raw pictures need the package rawpy", advice="pip install rawpy"
        ) from error
    return rawpy


def load_openimageio(what: str) -> Any:
    """The module `OpenImageIO`; MissingExtraError with the install line when it is not there.

    what: that which needs it, in the plural.
    """
    try:
        import OpenImageIO
    except ImportError as error:
        raise MissingExtraError(
            f"{what} need the package openimageio", advice="pip install openimageio"
        ) from error
    return OpenImageIO


def load_fits() -> Any:
    """The module `astropy.io.fits`; MissingExtraError with the install line without astropy."""
    try:
        from astropy.io import fits
    except ImportError as error:
        raise MissingExtraError(
            "FITS pictures need the package astropy", advice="pip install astropy"
        ) from error
    return fits


def require_encoder(format_name: str) -> None:
    """Raise MissingExtraError or UnsupportedError when this format cannot be written here."""
    if format_name == "HEIF":
        load_heif()
        from pillow_heif import libheif_info

        if not libheif_info()["HEIF"]:
            raise UnsupportedError(
                "this pillow-heif has no HEVC encoder", advice="use --format png"
            )
    if format_name in ("EXR", "JXL"):
        load_openimageio(f"results in {format_name}")
    if format_name == "AVIF":
        from PIL import features

        if not features.check("avif"):
            raise UnsupportedError("this Pillow cannot write AVIF", advice="use --format png")


_RAW_NAMES = (
    "dng cr2 cr3 crw nef nrw arw srf sr2 raf orf rw2 pef srw raw 3fr iiq x3f mrw erf kdc dcr"
)
RAW_SUFFIXES = frozenset(f".{name}" for name in _RAW_NAMES.split())
"""Suffixes of camera raw pictures."""
INPUT_SUFFIXES = RAW_SUFFIXES.union(
    (".mpo", ".avifs", ".heics", ".heifs", ".btf", ".tf8", ".tga", ".pcx")
).union((".hdr", ".rgbe", ".fits", ".fit", ".fts"))
"""Suffixes of what is read too, for files that a result is not: raw, series, BigTIFF, TGA, PCX,
Radiance and FITS."""


@dataclass(frozen=True)
class OutputPlan:
    """The format of a result and its suffix with the dot."""

    format: str
    suffix: str


# What floating-point pictures become whose own format is not written.
_BECOMES = {"HDR": "EXR", "FITS": "TIFF"}


def bits_in(name: str, header: Header) -> int:
    """The bits per channel of a result in this format, for a picture with `header`."""
    if header.bits == 8:
        return 8
    if header.bits == 32 and FORMATS[name].floating:
        return 32
    between = header.coded_bits if name in ("AVIF", "HEIF") else None
    return between or FORMATS[name].deep_bits


def plan_output(
    header: Header, size: tuple[int, int], requested: str | None, suffix: str
) -> OutputPlan:
    """The format for a result of `size` (width, height) made from a picture with `header`.

    `requested` is the value of --format in any case, or None: then the input's format if it can
    hold the result, else PNG. A still GIF becomes PNG, because the result has more than 256
    colours. `suffix` is the input's; it is kept, with its case, where it fits the format.

    Raises UsageError for an unknown name, and for a format that cannot hold the result
    TooLargeError, UnsupportedError or MissingExtraError.
    """
    if requested is not None:  # an empty name is an unknown one
        chosen, canonical = _by_name(requested)
        problem = _problem(chosen, header, size)
    else:
        fitting = (name for name in _candidates(header) if _problem(name, header, size) is None)
        chosen = next(fitting, "PNG")
        canonical = SUFFIXES[chosen][0]
        problem = _problem(chosen, header, size)
    if problem is not None:
        raise problem
    return OutputPlan(chosen, suffix if suffix.lower() in SUFFIXES[chosen] else canonical)


def _by_name(requested: str) -> tuple[str, str]:
    """(format, its suffix) for a name such as "jpg" or "TIFF"."""
    wanted = f".{requested.lower()}"
    for name, suffixes in SUFFIXES.items():
        if wanted in suffixes:
            return name, ".png" if name == "PNG" else wanted
    names = ", ".join(suffixes[0][1:] for suffixes in SUFFIXES.values())
    raise UsageError(f"unknown format {requested!r}", advice=f"one of {names}")


def _candidates(header: Header) -> tuple[str, ...]:
    if header.format == "GIF" and header.frames == 1:
        return ()
    own = _BECOMES.get(header.format, header.format)
    if header.bits == 32 and not (own in FORMATS and FORMATS[own].floating):
        own = "EXR"
    return (own,) if own in FORMATS else ()


def _problem(name: str, header: Header, size: tuple[int, int]) -> EscError | None:
    """Why this format cannot hold the result, or None."""
    return _too_large(name, size) or _unfit(name, header) or _missing(name)


def _too_large(name: str, size: tuple[int, int]) -> EscError | None:
    can, (width, height) = FORMATS[name], size
    result = f"the result would be {width} x {height}"
    advice = "use a smaller scale" if name in ("PNG", "TIFF") else "use --format png"
    if max(size) > can.max_side:
        return TooLargeError(f"{result}, {name} ends at {can.max_side} pixels a side", None, advice)
    if can.max_pixels is not None and width * height > can.max_pixels:
        return TooLargeError(f"{result}, {name} ends at {can.max_pixels:,} pixels", None, advice)
    return None


def _unfit(name: str, header: Header) -> EscError | None:
    can = FORMATS[name]
    if header.frames > 1 and header.format == "TIFF" and not can.pages:
        what = f"{name} cannot hold the {header.frames} pages of this TIFF"
        return UnsupportedError(what, advice="use --format tiff")
    if header.frames > 1 and header.format != "TIFF" and not can.animation:
        what = f"{name} cannot hold an animation of {header.frames} frames"
        return UnsupportedError(what, advice="use --format png, webp or gif")
    if header.has_alpha and not can.alpha:
        return UnsupportedError(f"{name} cannot hold transparency", advice="use --format png")
    if can.floating_alone and header.bits != 32:
        what = f"{name} is for floating-point pictures alone"
        return UnsupportedError(what, advice="use --format tiff")
    return None


def _missing(name: str) -> EscError | None:
    try:
        require_encoder(name)
    except EscError as error:
        return error
    return None
