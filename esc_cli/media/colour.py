"""Pillow's many modes -> grey or RGB, with or without alpha."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import cast

import numpy as np
from PIL import Image, ImageCms

from esc_cli.errors import UnsupportedError
from esc_cli.media.metadata import fitting_icc
from esc_cli.media.picture import Frame

_CHANNELS = {
    **{"1": 1, "L": 1, "LA": 2, "La": 2, "P": 3, "PA": 4, "RGB": 3, "RGBX": 3, "RGBA": 4},
    **{"RGBa": 4, "CMYK": 3, "YCbCr": 3, "LAB": 3, "HSV": 3},
}
_TARGET = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
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
    if image.mode == "LAB" or (image.mode == "CMYK" and _is_for_cmyk(icc)):
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


def _is_for_cmyk(icc: bytes | None) -> bool:
    return icc is not None and icc[16:20] == b"CMYK"


def _from_cmyk(image: Image.Image) -> Image.Image:
    """Through the embedded profile to sRGB; without one, Pillow's plain inversion."""
    icc: bytes | None = image.info.get("icc_profile")
    if icc is None or not _is_for_cmyk(icc):
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
