"""Files through OpenImageIO, which reads and writes files alone: they are temporary ones."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from esc_cli.errors import ReadError, UnsupportedError, WriteError
from esc_cli.media.formats import load_openimageio
from esc_cli.media.picture import Frame

NAMES = {"EXR": "OpenEXR pictures", "HDR": "Radiance HDR pictures", "JXL": "JPEG XL profiles"}
"""What needs the library, by format, in the plural."""


@contextmanager
def opened(content: bytes, format_name: str) -> Iterator[Any]:
    """The `ImageInput` of a file. Raises ReadError and MissingExtraError."""
    library = load_openimageio(NAMES[format_name])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture.{format_name.lower()}")
        path.write_bytes(content)
        file = library.ImageInput.open(str(path))
        if file is None:
            reason = library.geterror()  # else it is printed when the process ends
            raise _unread(format_name, reason)
        try:
            yield file
        finally:
            file.geterror()
            file.close()


def _unread(format_name: str, reason: str) -> ReadError | UnsupportedError:
    if "ubsampled" in reason:
        return UnsupportedError(
            f"{format_name} with chroma of a lower resolution is not supported",
            advice="store it in R, G and B",
        )
    return ReadError("the picture is damaged: its header cannot be read")


def written(frame: Frame, format_name: str, attributes: list[tuple[str, Any, Any]]) -> bytes:
    """The file of an (H, W, C) frame; C as in `Header`. Raises WriteError.

    attributes: (name, type, value) of OpenImageIO.
    """
    library = load_openimageio(f"results in {format_name}")
    kinds = {"uint8": library.UINT8, "uint16": library.UINT16, "float32": library.FLOAT}
    height, width, channels = frame.shape
    spec = library.ImageSpec(width, height, channels, kinds[frame.dtype.name])
    spec.channelnames = ("Y", "A")[:channels] if channels < 3 else ("R", "G", "B", "A")[:channels]
    spec.alpha_channel = channels - 1 if channels in (2, 4) else -1
    for attribute in attributes:
        spec.attribute(*attribute)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"picture.{format_name.lower()}")
        file = library.ImageOutput.create(str(path))
        steps = (
            lambda: file.open(str(path), spec),
            lambda: file.write_image(np.ascontiguousarray(frame)),
            file.close,  # tells of what could not be written
        )
        if not all(step() for step in steps):
            file.geterror()
            raise WriteError(f"the result cannot be encoded as {format_name}")
        return path.read_bytes()
