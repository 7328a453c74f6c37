"""Codecs that an installation may lack."""

from __future__ import annotations

from functools import lru_cache

from esc_cli.errors import MissingExtraError, UnsupportedError


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


def require_encoder(format_name: str) -> None:
    """Raise MissingExtraError or UnsupportedError when this format cannot be written here."""
    if format_name == "HEIF":
        load_heif()
        from pillow_heif import libheif_info

        if not libheif_info()["HEIF"]:
            raise UnsupportedError(
                "this pillow-heif has no HEVC encoder", advice="use --format png"
            )
    if format_name == "AVIF":
        from PIL import features

        if not features.check("avif"):
            raise UnsupportedError("this Pillow cannot write AVIF", advice="use --format png")
