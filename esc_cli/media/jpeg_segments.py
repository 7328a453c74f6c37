"""Application segments of JPEG (ITU-T T.81, B.2.4.6) that no result has."""

from __future__ import annotations

from collections.abc import Iterable

from esc_cli.media.profiles import PHOTOSHOP, further_resources

# What is kept or named by itself, and what describes the stored pixels alone.
_SEEN_TO = {
    "APP0": (b"JFIF\0", b"JFXX\0", b"AVI1"),
    "APP1": (b"Exif\0", b"http://ns.adobe.com/xap/1.0/", b"http://ns.adobe.com/xmp/extension/"),
    "APP2": (b"ICC_PROFILE\0", b"MPF\0"),
    "APP12": (b"Ducky",),
    "APP13": (b"Photoshop 3.0\0",),
    "APP14": (b"Adobe",),
}
_MOST_NAMED = 4


def left_out(segments: Iterable[tuple[str, bytes]]) -> tuple[str, ...]:
    """A note on the data of programs and cameras in segments, given as (APPn, payload)."""
    names: dict[str, None] = {}
    resources = 0
    for kind, payload in segments:
        if kind == "COM" or not payload.strip(b"\0"):
            continue
        if payload.startswith(PHOTOSHOP):
            resources += further_resources(payload)
        if not payload.startswith(_SEEN_TO.get(kind, ())):
            names[f"{kind} ({name})" if (name := _name(payload)) else kind] = None
    notes = []
    if names:
        further = ", ..." if len(names) > _MOST_NAMED else ""
        notes.append(f"left out: data of {', '.join(list(names)[:_MOST_NAMED])}{further}")
    if resources:
        notes.append(f"left out: {resources} resource{'s' * (resources > 1)} of Photoshop")
    return tuple(notes)


def _name(payload: bytes) -> str:
    """The letters that a segment begins with; nothing where they are none."""
    first = payload[:24].split(b"\0")[0].split(b"\n")[0]
    letters = "".join(chr(byte) for byte in first if 32 <= byte < 127).strip()
    return letters if len(letters) == len(first.strip()) else ""
