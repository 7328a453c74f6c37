"""How a result came about, said by the result itself: made for each format, and read back.

Pictures have it in their XMP packet, PNG also as a text, GIF as a comment, OpenEXR as an attribute,
videos as a tag of the file. What a source says of itself is added to and never replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from esc_cli._version import __version__
from esc_cli.media.confined import Bounds, metadata
from esc_cli.media.lost_content import JPEG_XMP_BYTES
from esc_cli.media.output_formats import FORMATS
from esc_cli.media.picture import Metadata, Picture
from esc_cli.media.video.demuxers import is_video
from esc_cli.media.video.source import tags_of_file
from esc_cli.media.xmp_history import steps_of, with_step

NAME = "esc_provenance"
"""Of the PNG text, the attribute and the tag; a file that has it already gets NAME_2, and so on."""
_NAMES = re.compile(rf"{NAME}(?:_(\d+))?", re.IGNORECASE)  # Matroska's are in capitals
_COMMENT = f"{NAME} ".encode()


@dataclass(frozen=True)
class Provenance:
    """One enlargement.

    model, weights_sha256: of the network, of a blend both with the share; None where nothing but
    resampling was needed. scale: of the width. settings: as records have them, JSON.
    source_sha256: of the file that was enlarged, or of its entry in an archive.
    """

    model: str | None
    weights_sha256: str | None
    scale: str
    settings: str
    source_sha256: str
    tool: str = "esc"
    version: str = __version__

    @property
    def properties(self) -> dict[str, str]:
        """What it says, by name."""
        said = {"tool": self.tool, "version": self.version} | asdict(self)
        return {name: value for name, value in said.items() if value is not None}

    @property
    def text(self) -> str:
        """The same as JSON, in ASCII."""
        return json.dumps(self.properties)

    @classmethod
    def of(cls, properties: Any) -> Provenance | None:
        """What `properties` says; None where it is something else."""
        known = {one.name for one in fields(cls)}
        try:
            said = {name: value for name, value in properties.items() if name in known}
            made = cls(**{"model": None, "weights_sha256": None} | said)
        except (AttributeError, TypeError):
            return None
        texts = (value for value in asdict(made).values() if value is not None)
        return made if all(isinstance(text, str) for text in texts) else None


def with_provenance(picture: Picture, step: Provenance, format_name: str) -> Picture:
    """A result that says how it came about, as far as its format can; its notes say where not."""
    said = picture.metadata
    xmp = with_step(said.xmp, step.properties) if FORMATS[format_name].blocks else None
    if format_name == "JPEG" and xmp is not None and len(xmp) > JPEG_XMP_BYTES:
        xmp = None  # rather than lose what the source has there
    if xmp is not None:
        said = replace(said, xmp=xmp)
    if format_name == "PNG":
        said = replace(said, png_text=(*said.png_text, (b"tEXt", _png_text(said, step))))
    elif format_name == "GIF" or (format_name == "JPEG" and xmp is None):
        said = replace(said, comments=(*said.comments, _COMMENT + step.text.encode()))
    elif format_name == "EXR":
        name = next_name(name for name, _, _ in said.attributes)
        said = replace(said, attributes=(*said.attributes, (name, "string", step.text)))
    elif xmp is None:
        return replace(picture, notes=(*picture.notes, _unheld(format_name)))
    return replace(picture, metadata=said)


def _unheld(format_name: str) -> str:
    if FORMATS[format_name].blocks:
        return "left out: provenance, as its XMP is damaged or in another encoding than UTF-8"
    return f"left out: provenance, which {format_name} does not hold"


def _png_text(said: Metadata, step: Provenance) -> bytes:
    keywords = (payload.partition(b"\0")[0].decode("latin-1") for _, payload in said.png_text)
    return f"{next_name(keywords)}\0{step.text}".encode("latin-1")


def next_name(taken: Iterable[str]) -> str:
    """The first of the names that a file does not have."""
    numbers = [int(found[1] or 1) for name in taken if (found := _NAMES.fullmatch(name))]
    return NAME if not numbers else f"{NAME}_{max(numbers) + 1}"


def provenance_in(path: Path, bounds: Bounds) -> tuple[Provenance, ...]:
    """What a picture or video says of its enlargements, the first that was made first.

    Raises ReadError, UnsupportedError, TooLargeError and MissingExtraError.
    """
    if is_video(path):
        return _of_texts(tags_of_file(path).items())
    said = metadata(path, bounds)
    found = tuple(filter(None, map(Provenance.of, steps_of(said.xmp))))
    return found or _of_texts(_texts(said))


def _texts(said: Metadata) -> Iterable[tuple[str, str]]:
    for kind, payload in said.png_text:
        if kind == b"tEXt":
            keyword, _, text = payload.decode("latin-1").partition("\0")
            yield keyword, text
    yield from ((name, str(value)) for name, _, value in said.attributes)
    own = [comment for comment in said.comments if comment.startswith(_COMMENT)]
    for number, comment in enumerate(own, start=1):
        yield f"{NAME}_{number}", comment.removeprefix(_COMMENT).decode("latin-1")


def _of_texts(texts: Iterable[tuple[str, str]]) -> tuple[Provenance, ...]:
    named = [(int(m[1] or 1), text) for name, text in texts if (m := _NAMES.fullmatch(name))]
    return tuple(filter(None, (_parsed(text) for _, text in sorted(named))))


def _parsed(text: str) -> Provenance | None:
    try:
        return Provenance.of(json.loads(text))
    except ValueError:
        return None
