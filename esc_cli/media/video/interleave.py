"""Packets of the video among those of the other streams, in the order of their decoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.packet import Packet


class Peekable:
    """An iterator whose next value can be looked at."""

    def __init__(self, values: Iterator[Packet[Any]]) -> None:
        self._values = values
        self.head = next(values, None)

    def take(self) -> Packet[Any]:
        """The next value."""
        value, self.head = self.head, next(self._values, None)
        if value is None:
            raise StopIteration
        return value


def mux_until(result: OutputContainer, packets: Peekable, time_s: float | None) -> None:
    """Mux the packets of the video that are decoded up to a time in the result, all for None."""
    while (head := packets.head) is not None:
        if time_s is not None and head.dts is not None and head.dts * head.time_base > time_s:
            return
        result.mux(packets.take())
