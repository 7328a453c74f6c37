"""ZIP archives of small pictures, with whatever else an archive may hold."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WHEN = (2021, 3, 4, 5, 6, 8)


def picture(format_name: str = "PNG", seed: int = 0, size: tuple[int, int] = (12, 9)) -> bytes:
    """The file of a small RGB picture of noise."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, format_name)
    return target.getvalue()


def entry(name: str, **attributes: Any) -> zipfile.ZipInfo:
    """An entry with a fixed time; `attributes` are set on it."""
    info = zipfile.ZipInfo(name, WHEN)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info


def book(
    path: Path, entries: Iterable[tuple[str | zipfile.ZipInfo, bytes]], comment: bytes = b""
) -> Path:
    """Write an archive of these entries, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as file:
        file.comment = comment
        for name, content in entries:
            info = entry(name) if isinstance(name, str) else name
            file.NameToInfo.pop(info.filename, None)  # no warning for two of one name
            file.writestr(info, content)
    return path


def sizes(path: Path) -> dict[str, tuple[int, int]]:
    """(width, height) of every picture in an archive that is whole, by name."""
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        found = {}
        for info in file.infolist():
            content = file.read(info)
            if content[:4] not in (b"", b"text", b"<Com"):
                with Image.open(io.BytesIO(content)) as image:
                    image.load()
                    found[info.filename] = image.size
        return found
