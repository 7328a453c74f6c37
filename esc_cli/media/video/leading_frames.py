"""Recordings that begin in the middle: nothing can be decoded before their first key frame."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from esc_cli.errors import counted

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.frame import VideoFrame


def is_before_edit(packet_or_frame: Packet[Any] | VideoFrame, begins: int | None) -> bool:
    """Whether an edit list that hides frames hides this one too, though FFmpeg does not say so.

    It marks packets up to the first that is shown, in the order of decoding: B-frames of an earlier
    time that follow it are not marked. begins: the start of the stream, where frames are hidden.
    """
    time = packet_or_frame.pts
    return begins is not None and time is not None and time < begins


@dataclass
class Beginning:
    """Tells what cannot be decoded yet from what is damaged.

    A recording that begins between two key frames holds frames that build on others which it lacks.
    They fail, or the decoder marks them as incomplete; the first that is whole is its first.
    """

    _is_between: bool | None = None
    _has_begun: bool = False
    _times: list[int] = field(default_factory=list)
    _first: int | None = None

    def see(self, packet: Packet[Any], *, is_hidden: bool) -> None:
        """One more packet of the video, perhaps one that an edit list hides."""
        if self._is_between is None and packet.size:
            self._is_between = not packet.is_keyframe
        if not self._has_begun and packet.pts is not None and not is_hidden:
            self._times.append(packet.pts)

    def excuses(self) -> bool:
        """Whether something that fails now does so for want of a key frame."""
        return bool(self._is_between) and not self._has_begun

    def drops(self, frame: VideoFrame) -> bool:
        """Whether a decoded frame lacks what it builds on."""
        if self._has_begun or (frame.is_corrupt and self.excuses()):
            return not self._has_begun
        self._has_begun = True
        self._first = frame.pts
        return False

    def told(self, base: Fraction) -> list[str]:
        """What to say of it, in seconds of the file."""
        if self._first is None:
            return []
        lacking = sum(time < self._first for time in self._times)
        where = f"{float(self._first * base):.3f} s"
        what = f"begins with the first whole frame, at {where}: {counted(lacking, 'frame')} before"
        return [f"{what} it lack a key frame"] if lacking else []
