"""Packets that are copied, in an order of decoding that muxers take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from esc_cli.errors import counted

if TYPE_CHECKING:
    from av.packet import Packet

_MAY_REPEAT = ("subtitle", "data", "attachment")
"""Streams of which several packets may have one DTS in every container."""


@dataclass
class PacketOrder:
    """Keeps the DTS of each track from going back, and, where `strict`, from standing still.

    MP4 and QuickTime take no sound or pictures with a DTS twice (libavformat's
    compute_muxer_pkt_fields); recordings of broadcasts have it where packets were lost. Such a
    packet goes to the next unit of the result's track, as with FFmpeg's own program.
    """

    strict: bool
    _last: dict[int, int] = field(default_factory=dict)
    _moved: Counter[int] = field(default_factory=Counter)

    def put(self, packet: Packet[Any], index: int, target: Any) -> None:
        """Give a packet of stream `index` of the source, for the track `target`, its place."""
        if packet.dts is None or packet.time_base is None:
            return
        has_steps = self.strict and target.type not in _MAY_REPEAT
        step = ceil(target.time_base / packet.time_base) if has_steps else 0
        last = self._last.get(index)
        if last is not None and packet.dts < last + step:
            self._moved[index] += 1
            packet.dts = last + step
            if packet.pts is not None:
                packet.pts = max(packet.pts, packet.dts)
        self._last[index] = packet.dts

    def told(self) -> list[str]:
        """A sentence for each track of which packets were moved."""
        return [
            f"stream {index}: {counted(count, 'packet')} out of order put after the one before"
            for index, count in sorted(self._moved.items())
        ]
