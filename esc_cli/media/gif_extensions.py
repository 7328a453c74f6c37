"""What stands beside the images of a GIF (GIF89a, 24 to 26): loops, XMP, profiles, comments."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

COMMENT, PLAIN_TEXT, APPLICATION = 0xFE, 0x01, 0xFF
_LOOPS = b"NETSCAPE2.0", b"ANIMEXTS1.0"
_XMP, _ICC = b"XMP DataXMP", b"ICCRGBG1012"
_XMP_TRAILER_BYTES = 258
_MOST_NAMES = 8


@dataclass
class Extensions:
    """Of a whole file; `plays` counts all plays of an animation, 0 for ever."""

    plays: int = 1
    xmp: bytes | None = None
    icc: bytes | None = None
    comments: list[bytes] = field(default_factory=list)
    texts: int = 0
    others: dict[str, None] = field(default_factory=dict)

    def add(self, label: int, blocks: list[bytes], stored: bytes) -> None:
        """One extension: its sub-blocks, and the same with their lengths as they are stored."""
        if not blocks:
            return
        if label == COMMENT:
            self.comments.append(b"".join(blocks))
        elif label == PLAIN_TEXT:
            self.texts += 1
        elif label == APPLICATION:
            self._add_application(blocks, stored)

    def _add_application(self, blocks: list[bytes], stored: bytes) -> None:
        name = blocks[0]
        if name in _LOOPS:
            self.plays = _plays(blocks, self.plays)
        elif name == _XMP:
            # The packet does not lie in sub-blocks but in front of a trailer that ends them all.
            self.xmp = self.xmp or stored[1 + len(name) : -_XMP_TRAILER_BYTES] or None
        elif name == _ICC:
            self.icc = self.icc or b"".join(blocks[1:]) or None
        else:
            shown = "".join(chr(byte) if 32 < byte < 127 else "?" for byte in name[:8])
            self.others[shown] = None

    def left_out(self) -> tuple[str, ...]:
        """Notes on what is not read."""
        names = ", ".join([*self.others][:_MOST_NAMES])
        notes = [f"left out: data of programs in the GIF ({names})"] if names else []
        if self.texts:
            notes.append("left out: text that GIF has drawn over the picture")
        return tuple(notes)


def _plays(blocks: list[bytes], before: int) -> int:
    if len(blocks) < 2 or len(blocks[1]) < 3 or blocks[1][0] & 7 != 1:
        return before
    repeats = int(struct.unpack_from("<H", blocks[1], 1)[0])
    return repeats + 1 if repeats else 0  # the file counts the repeats after the first play
