"""Steps that pictures went through, in an XMP packet: read, and added to whatever it holds.

A step is a resource of an array of our own (ISO 16684-1, 7.6 and 7.7). It is put into the packet as
text, so that everything else stays as it was, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

NAMESPACE = "urn:esc-cli:provenance:"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_HISTORY = f"{NAMESPACE} history"
_ROOT, _DESCRIPTION, _SEQUENCE, _ITEM = (
    f"{_RDF} {name}" for name in ("RDF", "Description", "Seq", "li")
)
_FRESH = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta>'
    b'<?xpacket end="r"?>'
)
_DECLARED = f'xmlns:rdf="{_RDF}" xmlns:esc="{NAMESPACE}"'


def with_step(xmp: bytes | None, step: Mapping[str, str]) -> bytes | None:
    """The packet with one step more, the last; a new packet for None.

    `step`: XML names to texts. None where the packet cannot be added to: it is damaged, not in an
    encoding that has ASCII in it, or no RDF.
    """
    packet = xmp or _FRESH
    found = _scanned(packet)
    if found is None or found.place is None:
        return None
    inside = "".join(f"<esc:{name}>{_escaped(text)}</esc:{name}>" for name, text in step.items())
    made = f'<rdf:li {_DECLARED} rdf:parseType="Resource">{inside}</rdf:li>'
    if not found.has_history:
        array = f"<esc:history><rdf:Seq>{made}</rdf:Seq></esc:history>"
        about = _escaped(found.about).replace('"', "&quot;")
        made = f'<rdf:Description {_DECLARED} rdf:about="{about}">{array}</rdf:Description>'
    text = made.encode("ascii", "xmlcharrefreplace")
    return packet[: found.place] + text + packet[found.place :]


def steps_of(xmp: bytes | None) -> tuple[dict[str, str], ...]:
    """The steps in a packet, the first that was made first; none where it is damaged."""
    found = None if xmp is None else _scanned(xmp)
    return () if found is None else tuple(found.steps)


def _escaped(text: str) -> str:
    """As XML text; what XML has no place for becomes a question mark."""
    fitting = (letter if _is_text(ord(letter)) else "?" for letter in text)
    return "".join(fitting).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _is_text(code: int) -> bool:
    """Whether XML 1.0 allows a character (2.2)."""
    plain = code in {9, 10, 13} or 32 <= code < 0xD800 or 0xE000 <= code < 0xFFFE
    return plain or code > 0xFFFF


def _scanned(packet: bytes) -> _Scan | None:
    packet = packet.rstrip(b"\0")  # which some writers end it with
    if b"\0" in packet:  # UTF-16 or UTF-32
        return None
    scan = _Scan(packet)
    try:
        scan.parser.Parse(packet, True)
    except (expat.ExpatError, _RefusedError, LookupError):
        return None
    return scan


class _RefusedError(ValueError):
    """A document type, which XMP has none of, and with which entities could be declared."""


@dataclass
class _Scan:
    """What a packet holds of steps, and where another one may go: `place`, a byte of it."""

    packet: bytes
    about: str = ""
    place: int | None = None
    has_history: bool = False
    steps: list[dict[str, str]] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)
    _text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.CharacterDataHandler = self._text.append
        self.parser.EndElementHandler = self._end

    def _refuse(self, *_: object) -> None:
        raise _RefusedError

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        parents = self._open[-2:]
        self._open.append(name)
        self._text.clear()
        if name == _DESCRIPTION and parents[-1:] == [_ROOT]:
            self.about = self.about or attributes.get(f"{_RDF} about", "")
        elif name == _HISTORY:
            self.has_history, self.place = True, None
        elif name == _ITEM and parents == [_HISTORY, _SEQUENCE]:
            self.steps.append({})
        if self._in_step:
            own = ((key.partition(" "), value) for key, value in attributes.items())
            self.steps[-1] |= {key: value for (space, _, key), value in own if space == NAMESPACE}

    def _end(self, name: str) -> None:
        self._open.pop()
        space, _, key = name.partition(" ")
        if self._in_step and space == NAMESPACE:
            self.steps[-1][key] = "".join(self._text)
        elif (name, self._open[-1:]) == (_SEQUENCE, [_HISTORY]) or (
            name == _ROOT and not self.has_history
        ):
            self.place = self._closing_tag

    @property
    def _in_step(self) -> bool:
        return bool(self.steps) and _HISTORY in self._open and _ITEM in self._open

    @property
    def _closing_tag(self) -> int | None:
        """Where the tag begins that ends an element; None for one that has no such tag."""
        at = self.parser.CurrentByteIndex
        return at if self.packet.startswith(b"</", at) else None
